/** Extended headers of pax: records `LENGTH KEY=VALUE\n`, whose length counts all bytes of the record, its own digits too. */
import { noArchive } from './tar-header.ts'

export function encodeRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  // The digits of the length make it longer themselves.
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** @returns values by key; of a key that stands there twice the last. @throws the failure `bad_input` */
export function parseRecords(body: Buffer): ReadonlyMap<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at)
    const digits = body.toString('latin1', at, space === -1 ? at : Math.min(space, at + 10))
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0
    const end = at + length
    const equals = body.indexOf(0x3d, space)
    if (length === 0 || end > body.length || equals === -1 || equals >= end || body[end - 1] !== 0x0a) {
      throw noArchive('an extended header is damaged')
    }
    records.set(body.toString('utf8', space + 1, equals), Buffer.from(body.subarray(equals + 1, end - 1)))
    at = end
  }
  return records
}
