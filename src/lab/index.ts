// The lab's door: everything the demo, the lab tests and the benchmarks use.

export { Lab, type LabOptions } from './lab.ts'
export type { Host, HostOptions } from './machines/host.ts'
export type { Machine } from './machines/machine.ts'
export type { Outside, OutsideLink, OutsideOptions } from './machines/outside.ts'
export type { Underlay, UnderlayOptions } from './machines/underlay.ts'
export type { Vm, VmOptions } from './machines/vm.ts'
export { MemoryVm, type MemoryVmOptions } from './memory/memory-vm.ts'
export type { Capture, CaptureOptions, DecodedFrame, RawFrame } from './process/capture.ts'
export { type Counters, type Usage, usageOf } from './process/counters.ts'
export { Job, LabError, must, type RunResult, run } from './process/process.ts'
export {
  type CallsReport,
  Crowd,
  type CrowdReport,
  CrowdServer,
  call,
  type Talker
} from './traffic/crowd.ts'
export { median, type PingOptions, type PingResult } from './traffic/ping.ts'
export { type StreamReport, type StreamServer, type TcpStream, until } from './traffic/stream.ts'
