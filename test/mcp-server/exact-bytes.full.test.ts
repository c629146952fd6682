/** A file is the same bytes whichever way it comes and goes: over HTTP, by calls, as a resource over MCP, and as an attachment. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Client } from '@modelcontextprotocol/client'
import * as fc from 'fast-check'
import { scaled } from '../support/scale.ts'
import { openRig, type Rig } from './mcp-rig.ts'

let rig: Rig
let program: Client
let key = ''

before(async () => {
  rig = await openRig({ gateway: { requests_per_minute: 60_000 } })
  key = (await rig.key('*')).key
  program = await rig.program(key)
})
after(() => rig[Symbol.asyncDispose]())

const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('\n', '\r\n', '\n\n', '\r', '\ufeff', '\u200b', '\u2028', '\u001b[31m', '\t', ' ', '\\u{feff}', 'é', '👩‍👧'),
  fc.constantFrom('x'.repeat(16_000), 'ü'.repeat(9_000), 'a line\n'.repeat(3_000)),
)
const text = fc
  .tuple(fc.constantFrom('', '\ufeff'), fc.array(piece, { maxLength: 6 }), fc.constantFrom('', '\n', '\r\n', '\n\n'))
  .map(([mark, pieces, end]) => `${mark}${pieces.join('')}${end}`.toWellFormed())
const file = fc.oneof(
  { weight: 4, arbitrary: text.map((content) => Buffer.from(content)) },
  { weight: 1, arbitrary: text.map((content) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(content, 'utf16le')])) },
  { weight: 1, arbitrary: text.map((content) => Buffer.from(content, 'latin1')) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
)

const path = 'exact bytes.txt'
const onDisk = (): Buffer => readFileSync(join(rig.workspace.shared, path))
const filesUrl = (): URL => new URL(`/api/v1/files/${encodeURIComponent(path)}?raw=1`, rig.url)

/** Each writes the file. */
const writes: Readonly<Record<string, (bytes: Buffer) => Promise<unknown>>> = {
  'the person': async (bytes) => writeFileSync(join(rig.workspace.shared, path), bytes),
  async 'PUT over HTTP'(bytes) {
    const response = await fetch(filesUrl(), { method: 'PUT', body: new Uint8Array(bytes), headers: { authorization: `Bearer ${key}` } })
    assert.ok(response.ok, await response.text())
  },
  'file.upload': (bytes) =>
    rig.output('file.upload', { path, upload: randomUUID(), offset: 0, base64: bytes.toString('base64'), last: true, overwrite: true }),
  'file.write': (bytes) => (isText(bytes) ? rig.output('file.write', { path, text: bytes.toString() }) : writes['the person']!(bytes)),
  'the tool file_write over MCP': async (bytes) => {
    if (!isText(bytes)) {
      await writes['the person']!(bytes)
      return
    }
    const done = await program.callTool({ name: 'file_write', arguments: { path, text: bytes.toString() } })
    assert.equal(done.isError, false, JSON.stringify(done))
  },
}

const isText = (bytes: Buffer): boolean => Buffer.from(bytes.toString()).equals(bytes)

/** Each reads the file. */
const reads: Readonly<Record<string, (written: Buffer) => Promise<Buffer>>> = {
  'GET over HTTP': async () => Buffer.from(await (await fetch(filesUrl(), { headers: { authorization: `Bearer ${key}` } })).arrayBuffer()),
  'file.bytes': async () => {
    const { base64 } = await rig.output('file.bytes', { path, max_bytes: 262_144 })
    return Buffer.from(base64, 'base64')
  },
  'file.read, page by page': async (written) => {
    if (!isText(written) || written.includes(0)) return written
    let all = ''
    for (let from = 1; ;) {
      const page = await rig.output('file.read', { path, from_line: from })
      // A page says that a line is cut; its rest is read as bytes.
      if (page.cut === true) return written
      all += page.newline === true ? `${page.text}\n` : page.text
      from += page.lines
      if (page.lines === 0 || from > page.total_lines) return Buffer.from(all)
    }
  },
  'a resource over MCP': async () => {
    const { contents } = await program.readResource({ uri: `oxbow:///shared/${encodeURIComponent(path)}` })
    const [content] = contents as readonly { readonly text?: string; readonly blob?: string }[]
    return content?.text === undefined ? Buffer.from(content?.blob ?? '', 'base64') : Buffer.from(content.text)
  },
  'file.download': async () => {
    const { base64 } = await rig.output('file.download', { path })
    return Buffer.from(base64, 'base64')
  },
  'an attachment': async (written) => {
    if (written.length === 0) return written
    const { piece: hash } = await rig.output('attachment.put', { data: written.toString('base64') })
    const { data } = await rig.output('media.read', { piece: hash })
    return Buffer.from(data, 'base64')
  },
}

describe('the bytes of a file', () => {
  for (const [way, write] of Object.entries(writes))
    it(`that ${way} wrote come back as they are by every way of reading`, async () => {
      await fc.assert(
        fc.asyncProperty(file, async (bytes) => {
          await write(bytes)
          assert.ok(onDisk().equals(bytes), 'written')
          for (const [name, read] of Object.entries(reads)) {
            const got = await read(bytes)
            assert.ok(
              got.equals(bytes),
              `${name}: ${JSON.stringify(got.toString().slice(0, 200))} for ${JSON.stringify(bytes.toString().slice(0, 200))}`,
            )
          }
        }),
        {
          numRuns: scaled(80, 8),
          examples: [[Buffer.from('last line\n')], [Buffer.from('\ufeffwith a mark\r\n')], [Buffer.from('\n')], [Buffer.alloc(0)]],
        },
      )
    })
})
