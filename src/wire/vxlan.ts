// VXLAN header (RFC 7348), as functions over (view, at).  An Ethernet frame follows it.

export const LENGTH = 8
/** UDP port of VXLAN (RFC 7348 §5). */
export const PORT = 4789

const FLAG_VNI = 0x08

/** Without the flag there is no network identifier, and nothing we could do with the frame. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  end - at >= LENGTH && (view.getUint8(at) & FLAG_VNI) !== 0

export const vni = (view: DataView, at: number): number => view.getUint32(at + 4) >>> 8
export const payload = (at: number): number => at + LENGTH

export function emit(view: DataView, at: number, vni: number): void {
  view.setUint32(at, FLAG_VNI << 24)
  view.setUint32(at + 4, vni << 8)
}
