import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Call, CallContext } from '../../protocol/index.ts'
import { type PageOutput, pageText } from './browser-page.ts'
import { browserDownload, browserScreenshot } from './look-calls.ts'

const hidden = String.fromCodePoint(0xe006f, 0xe0162, 0x200b, 0x202e)

it('what a page hides from people is hidden from the model too, also in titles and notes', () => {
  const page: PageOutput = {
    tab: 't1',
    url: 'https://example.com/',
    title: `Oxen${hidden}`,
    status: 200,
    shows: 'text',
    text: `Oxen ${hidden}pull.`,
    from_byte: 0,
    next_byte: null,
    total_bytes: 20,
    notes: [`it asked${hidden}`],
  }
  assert.equal(pageText(page), 'tab t1: https://example.com/ (Oxen)\n* it asked\nOxen pull.')
})

it('also next to screenshots, and in lists of downloads', async () => {
  const replies: Record<string, object> = {
    browserPicture: {
      tab: 't1',
      url: 'https://e.example/',
      path: '/tmp/screenshots/a.png',
      bytes: 1,
      width: 1,
      height: 1,
      notes: [hidden],
    },
    bytes: { content: Buffer.from('x'), offset: 0, totalBytes: 1 },
    browserDownloads: { downloads: [{ path: '', url: 'https://e.example/', bytes: 0, state: 'failed', problem: `no${hidden}` }] },
  }
  const sandbox = { hands: () => Promise.resolve({ ask: (op: string) => Promise.resolve(replies[op]) }) }
  const context = { sandbox, signal: new AbortController().signal, caller: { actor: 'a', session: 's' } } as unknown as CallContext
  for (const call of [browserScreenshot, browserDownload] as readonly Call[]) {
    const { text = '' } = await call.run(call.example, context)
    assert.equal(
      Array.from(text).some((sign) => hidden.includes(sign)),
      false,
      text,
    )
  }
})
