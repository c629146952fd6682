import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type PageOutput, pageText } from './browser-page.ts'

it('what a page hides from people is hidden from the model too, in its title and its notes as well', () => {
  const hidden = String.fromCodePoint(0xe006f, 0xe0162, 0x200b, 0x202e)
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
