/**
 * A sentence encoder of one step, as the bytes of an ONNX file: each token's row of a table (`Gather`). Written by hand after onnx.proto3,
 * so that the runtime is tried with a real graph though no model can be had here.
 */

/** A field of protobuf: number and wire type, then what it holds. */
function field(number: number, content: number | Uint8Array | string): Buffer {
  if (typeof content === 'number') return Buffer.concat([varint(number * 8), varint(content)])
  const bytes = Buffer.from(content)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128)
  return Buffer.from([...bytes, left])
}

const floatType = 1
const int64Type = 7

/** ValueInfoProto: a tensor with named or fixed sides. */
function valueInfo(name: string, type: number, sides: readonly (string | number)[]): Buffer {
  const shape = Buffer.concat(sides.map((side) => field(1, typeof side === 'number' ? field(1, side) : field(2, side))))
  return Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([field(1, type), field(2, shape)])))])
}

/** @param table rows after each other */
export function tinyEncoder(table: Float32Array, dims: number): Buffer {
  const rows = Buffer.from(table.buffer, table.byteOffset, table.byteLength)
  const tensor = Buffer.concat([field(1, table.length / dims), field(1, dims), field(2, floatType), field(8, 'table'), field(9, rows)])
  const gather = Buffer.concat([
    field(1, 'table'),
    field(1, 'input_ids'),
    field(2, 'last_hidden_state'),
    field(3, 'rows'),
    field(4, 'Gather'),
  ])
  const graph = Buffer.concat([
    field(1, gather),
    field(2, 'tiny'),
    field(5, tensor),
    field(11, valueInfo('input_ids', int64Type, ['batch', 'tokens'])),
    field(12, valueInfo('last_hidden_state', floatType, ['batch', 'tokens', dims])),
  ])
  const irVersion = 8
  const operators = Buffer.concat([field(1, ''), field(2, 13)])
  return Buffer.concat([field(1, irVersion), field(2, 'oxbow'), field(7, graph), field(8, operators)])
}
