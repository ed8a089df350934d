// The lab's door: everything the demo, the lab tests and the benchmarks use.

export { type Counters, type Usage, usageOf } from './counters.ts'
export type { Host, HostOptions } from './host.ts'
export { Lab, type LabOptions } from './lab.ts'
export type { Machine } from './machine.ts'
export { MemoryVm, type MemoryVmOptions } from './memory/memory-vm.ts'
export type { Outside, OutsideLink, OutsideOptions } from './outside.ts'
export { Job, LabError, must, type RunResult, run } from './process/process.ts'
export type { Capture, CaptureOptions, DecodedFrame, RawFrame } from './traffic/capture.ts'
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
export type { Underlay, UnderlayOptions } from './underlay.ts'
export type { Vm, VmOptions } from './vm.ts'
