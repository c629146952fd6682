import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import type { Kernel } from '../../kernel/index.ts'
import type { JsonObject } from '../../base/index.ts'
import { downloadPieceBytes } from '../limits.ts'
import { createFiles } from './files.ts'

/** A kernel with one file, which somebody changes after the first piece of an upload. */
function kernelWithFile() {
  let modifiedAt = 1
  const uploaded: JsonObject[] = []
  const call = async (name: string, input: JsonObject) => {
    if (name === 'file.download') return { status: 'ok', output: { base64: '', total_bytes: 3, modified_at: modifiedAt } }
    uploaded.push(input)
    modifiedAt += 1
    return { status: 'ok', output: { path: '/shared/a', bytes: 0, created: false, hash: '' } }
  }
  return { kernel: { call } as unknown as Kernel, uploaded }
}

test('a file that changes while its body arrives is not replaced where If-Match names what it was', async () => {
  const { kernel, uploaded } = kernelWithFile()
  const body = Buffer.alloc(downloadPieceBytes * 2)
  const tag = `"${(3).toString(36)}-${(1_000).toString(36)}"`
  const headers = { 'content-length': String(body.length), 'if-match': tag }
  const request = Object.assign(Readable.from([body]), { method: 'PUT', headers }) as unknown as IncomingMessage
  const url = new URL('http://localhost/api/v1/files/a?raw=1')
  const receive = createFiles().match(request, url, '/files/a')
  const response = {} as ServerResponse
  await assert.rejects(receive!({ kernel, request, response, url }), /is not as If-Match has it/)
  assert.deepEqual(
    uploaded.map(({ last }) => last),
    [false],
    'nothing has its name',
  )
})
