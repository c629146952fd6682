/** Columns by slot grow with the slots. */

type Column = Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>

/** @returns a copy with room for so many numbers; the new ones are 0 */
export function widerColumn<Numbers extends Column>(column: Numbers, room: number): Numbers {
  const wider = new (column.constructor as new (room: number) => Numbers)(room)
  wider.set(column)
  return wider
}
