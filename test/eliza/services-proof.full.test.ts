import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { elizaCharacter } from '../../src/plugins/index.ts'
import { parseObject } from '../../src/base/index.ts'
import { elizaPackages, entriesOf, type FakeGuest, messageOf, openFakeGuest } from './eliza-packages-fixture.ts'

const probe = '../../../test/eliza/probe-plugin.js'
let packages = ''
before(async () => {
  packages = await elizaPackages()
})

type Args = readonly unknown[]

async function use(guest: FakeGuest, service: string, method: string, ...args: Args): Promise<any> {
  const input = { service, method, args } as never
  const done = await guest.ask('action', { name: 'PROBE_SERVICE', input, message: messageOf('use it'), state: {} })
  if (!done.ok) throw new Error(done.text)
  return done.data['value']
}

/** A PDF of pages with one line each. */
function pdfOf(...lines: readonly string[]): Buffer {
  const page = (at: number): string =>
    `<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Resources<</Font<</F 3 0 R>>>>/Contents ${5 + at * 2} 0 R>>`
  const stream = (line: string): string => {
    const content = `BT /F 12 Tf 10 50 Td (${line}) Tj ET`
    return `<</Length ${content.length}>>stream\n${content}\nendstream`
  }
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    `<</Type/Pages/Count ${lines.length}/Kids[${lines.map((_, at) => `${4 + at * 2} 0 R`).join(' ')}]>>`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
    ...lines.flatMap((line, at) => [page(at), stream(line)]),
  ]
  let text = '%PDF-1.4\n'
  const offsets = objects.map((object, at) => {
    const offset = text.length
    text += `${at + 1} 0 obj${object}endobj\n`
    return String(offset).padStart(10, '0')
  })
  const end = text.length
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map((offset) => `${offset} 00000 n \n`).join('')}`
  return Buffer.from(`${text}trailer<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${end}\n%%EOF`, 'latin1')
}

test('plugin-pdf 1.0.2 reads the pages of a PDF in order, cleans their text, and says why a file is not a PDF', async (t) => {
  const guest = await openFakeGuest({ entries: [...entriesOf('plugin-pdf'), probe] })
  t.after(() => guest.close())
  const { services } = await guest.ask('describe', {})
  assert.deepEqual(
    services.map(({ type }) => type),
    ['pdf'],
  )
  await guest.ask('service', { type: 'pdf' })
  assert.deepEqual((await guest.ask('health', {})).services, ['pdf'])
  const asPlain = (bytes: Buffer) => ({ base64: bytes.toString('base64') })
  assert.equal(
    await use(guest, 'pdf', 'convertPdfToText', asPlain(pdfOf('The ferry leaves at nine.', 'It returns at noon.'))),
    'The ferry leaves at nine.\nIt returns at noon.',
  )
  assert.equal(await use(guest, 'pdf', 'cleanUpContent', 'a\u0000b\u0007   c  \nd'), 'ab c\nd')
  await assert.rejects(use(guest, 'pdf', 'convertPdfToText', asPlain(Buffer.from('no pdf'))), /Invalid PDF/)
  // A failed call ends nothing.
  assert.equal(await use(guest, 'pdf', 'convertPdfToText', asPlain(pdfOf('Again.'))), 'Again.')
})

test('plugin-dummy-services 1.7.2 passes its own tests, and each of its nine services answers and keeps its state', async (t) => {
  const entries = entriesOf('plugin-dummy-services')
  const guest = await openFakeGuest({ entries: [...entries, probe] })
  t.after(() => guest.close())
  const described = (await guest.ask('describe', {})).services.map(({ type }) => type)
  const input = { module: pathToFileURL(join(packages, entries[0]!)).href }
  const ran = await guest.ask('action', { name: 'PROBE_TESTS', input, message: messageOf('test'), state: {} })
  assert.ok(ran.ok, ran.text)
  assert.ok((ran.data['value'] as string[]).length > 0)
  for (const type of described) await guest.ask('service', { type })
  assert.deepEqual((await guest.ask('health', {})).services.toSorted(), described.toSorted())
  assert.equal(described.length, 9)
  assert.equal((await use(guest, 'pdf', 'extractText', { base64: '' })).metadata.pages, 10)
  assert.equal((await use(guest, 'token_data', 'getTokenDetails', 'So1', 'solana')).address, 'So1')
  await use(guest, 'wallet', 'setPortfolioHolding', 'SOL', 2, 50)
  const portfolio = await use(guest, 'wallet', 'getPortfolio')
  assert.equal(portfolio.assets.find(({ symbol }: { symbol: string }) => symbol === 'SOL').valueUsd, 100)
  assert.match(await use(guest, 'wallet', 'transferSol', 'a', 'b', 1_000_000), /^dummy-tx-/)
  await assert.rejects(use(guest, 'wallet', 'transferSol', 'a', 'b', 9_000_000), /Insufficient SOL balance/)
  assert.ok((await use(guest, 'lp', 'getPools')).length > 0)
  await assert.rejects(use(guest, 'none', 'x'), /there is no service none/)
})

test('plugin-bootstrap 1.7.2 speaks as the character of the agent for which it is asked', async (t) => {
  const file = parseObject(readFileSync(new URL('../characters/fixtures/butler.character.json', import.meta.url), 'utf8'))
  const guest = await openFakeGuest({
    entries: entriesOf('plugin-bootstrap'),
    settings: { characters: { whitcombe: elizaCharacter(file ?? {}) } },
  })
  t.after(() => guest.close())
  const shown = async (agent: string): Promise<string> => {
    const message = messageOf('Good morning', { agent })
    return (await guest.ask('provide', { names: ['CHARACTER'], message, state: {} })).provided[0]!.text
  }
  const text = await shown('whitcombe')
  assert.match(text, /# About Whitcombe/)
  assert.match(text, /Formal British English/)
  assert.match(text, /Once stopped a burglar with an umbrella/)
  assert.doesNotMatch(await shown('ox'), /Whitcombe/)
})
