/** An export of a journal, made by the real program, and a verifier that shares no code with it. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createHasher } from '../../src/store/index.ts'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { program } from '../support/built.ts'

interface Report {
  readonly ok: boolean
  readonly error?: string
  readonly records?: number
  readonly blobs?: number
  readonly heads?: number
  readonly heads_signed?: boolean
}

const verifier = fileURLToPath(new URL('../../bin/oxbow-verify.js', import.meta.url))
const { blake3, verifyExport } = (await import(verifier)) as {
  blake3(data: string | Uint8Array): string
  verifyExport(lines: Iterable<string>, key?: string | null): Promise<Report>
}

let home = ''
let lines: readonly string[] = []
let key = ''

function oxbow(...args: readonly string[]): string {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  return execFileSync(process.execPath, [program, ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-export-'))
  shareCompileCache(home)
  oxbow('state', 'save', 'notes/long', JSON.stringify('a long note '.repeat(2_000)))
  oxbow('run', 'what time is it')
  lines = oxbow('audit', 'export').trimEnd().split('\n')
  key = oxbow('audit', 'key')
})
after(() => rmSync(home, { recursive: true, force: true }))

test('the hash of the verifier is BLAKE3', async () => {
  const hash = await createHasher()
  for (const length of [0, 1, 63, 64, 65, 1_023, 1_024, 1_025, 2_048, 2_049, 3_073, 8_192, 31_744, 100_001]) {
    const bytes = Buffer.alloc(length).map((_, at) => (at * 7 + length) % 251)
    assert.equal(blake3(bytes), hash(bytes), `${length} bytes`)
  }
})

test('an export verifies with the key of its runner, by the program and by hand', async () => {
  const report = await verifyExport(lines, key)
  assert.deepEqual([report.ok, report.error], [true, undefined])
  assert.equal(report.records, lines.length - 2)
  assert.ok((report.blobs ?? 0) > 0 && (report.heads ?? 0) > 0)
  const file = join(home, 'journal.jsonl')
  const keyFile = join(home, 'key.pem')
  writeFileSync(file, `${lines.join('\n')}\n`)
  writeFileSync(keyFile, key)
  const ran = spawnSync(process.execPath, [verifier, file, '--key', keyFile], { encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stdout)
  assert.match(ran.stdout, /^The export verifies\.\n {2}\d+ records/)
  for (const [words, says] of [
    [[join(home, 'none')], /^error: .*none cannot be read: there is no such file\n$/],
    [[home], /^error: .* cannot be read: /],
    [[file, '--key', join(home, 'none')], /none cannot be read: there is no such file\n$/],
    [[file, '--key', file], /is no public key/],
  ] as const) {
    const wrong = spawnSync(process.execPath, [verifier, ...words], { encoding: 'utf8' })
    assert.deepEqual([wrong.status, wrong.stdout], [2, ''])
    assert.match(wrong.stderr, says)
  }
  writeFileSync(file, `${lines.slice(0, -2).join('\n')}\n`)
  const cut = spawnSync(process.execPath, [verifier, file], { encoding: 'utf8' })
  assert.equal(cut.status, 12)
  assert.match(cut.stdout, /^The export does NOT verify: the file has no end: it was cut off/)
})

test('a part of a journal verifies from its first record on', async () => {
  const part = oxbow('audit', 'export', '--after', '5').trimEnd().split('\n')
  assert.equal((await verifyExport(part, key)).ok, true)
  assert.match((await verifyExport([part[0]!.replace('"seq":5', '"seq":4'), ...part.slice(1)], key)).error ?? '', /record 5 is missing/)
})

test('the export of a journal that was cut is written, and names the head that it lacks', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'oxbow-cut-'))
  try {
    cpSync(home, copy, { recursive: true })
    const [file] = globSync(join(copy, '**', 'internal', 'oxbow.db'))
    const database = new DatabaseSync(file!)
    const { seq: newest } = database.prepare('select max(seq) as seq from journal').get() as { seq: number }
    database.exec(`delete from journal where seq > ${newest - 3}; delete from open_call where seq > ${newest - 3}`)
    database.close()
    const env = { PATH: process.env['PATH'], HOME: copy, OXBOW_HOME: copy }
    const ran = spawnSync(process.execPath, [program, 'audit', 'export'], { env, encoding: 'utf8' })
    assert.equal(ran.status, 17, ran.stderr)
    assert.match(ran.stderr, new RegExp(`has signed record \\d+ on .*the journal ends with record ${newest - 3}: its end was cut off`))
    const cut = ran.stdout.trimEnd().split('\n')
    assert.equal(cut.length, newest - 3 + 2)
    assert.match((await verifyExport(cut, key)).error ?? '', /its end was cut off/)
    assert.match(
      (
        await verifyExport(
          withHeads(cut, () => []),
          key,
        )
      ).error ?? '',
      /not signed with its key/,
    )
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})

test("an export that another key has signed is not accepted as the runner's", async () => {
  const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
  assert.match((await verifyExport(lines, other)).error ?? '', /signed with another key/)
})

/** @returns the export with this in place of its heads */
function withHeads(all: readonly string[], change: (heads: readonly string[]) => readonly string[]): readonly string[] {
  const last = JSON.parse(all.at(-1)!) as { heads: readonly string[] }
  return [...all.slice(0, -1), JSON.stringify({ ...last, heads: change(last.heads) })]
}

test('signed heads cannot be removed from an export, nor reordered or repeated', async () => {
  for (const change of [
    (heads: readonly string[]) => heads.slice(0, -1),
    () => [],
    (heads: readonly string[]) => heads.slice(1),
    (heads: readonly string[]) => [...heads, heads.at(-1)!],
  ])
    assert.match((await verifyExport(withHeads(lines, change), key)).error ?? '', /the end of the file is not signed with its key/)
  const asFirst = [lines[0]!.replace('"format":2', '"format":1'), ...lines.slice(1)]
  assert.match((await verifyExport(asFirst, key)).error ?? '', /the end of the file is not signed with its key/)
})

test('an export of the first format verifies, and the report says that its heads are not covered', async () => {
  const privateKey = createPrivateKey(readFileSync(join(home, 'runner', 'signing-key.pem'), 'utf8'))
  const { user } = JSON.parse(lines[0]!) as { user: string }
  const { end, ...rest } = JSON.parse(lines.at(-1)!) as { end: Record<string, unknown> }
  const signed = JSON.stringify(['oxbow-export-1', user, end['after'], end['seq'], end['hash'], end['records'], end['at']])
  const signature = sign(null, Buffer.from(signed), privateKey).toString('base64')
  const old = [
    lines[0]!.replace('"format":2', '"format":1'),
    ...lines.slice(1, -1),
    JSON.stringify({ end: { ...end, signature }, ...rest }),
  ]
  assert.deepEqual(
    [await verifyExport(old, key), await verifyExport(lines, key)].map(({ ok, heads_signed: areSigned }) => [ok, areSigned]),
    [
      [true, false],
      [true, true],
    ],
  )
  const file = join(home, 'old.jsonl')
  writeFileSync(file, `${old.join('\n')}\n`)
  const ran = spawnSync(process.execPath, [verifier, file], { encoding: 'utf8' })
  assert.deepEqual([ran.status, /format 1, whose end does not cover the signed heads/.test(ran.stdout)], [0, true])
})

test('of a thousand mutations none is missed: bytes, records removed, repeated, reordered, exchanged and cut off', async () => {
  const next = seededNumbers(20_261_123)
  const pick = (below: number): number => Math.floor(next() * below)
  const mutations: readonly (readonly [string, (all: string[]) => void])[] = [
    ['a character', (all) => changeCharacter(all, pick)],
    ['a record removed', (all) => void all.splice(1 + pick(all.length - 2), 1)],
    ['a record repeated', (all) => void all.splice(1 + pick(all.length - 2), 0, all[1 + pick(all.length - 2)]!)],
    ['records reordered', (all) => swap(all, 1 + pick(all.length - 3))],
    ['the end cut off', (all) => void all.splice(all.length - 1 - pick(all.length - 2), all.length)],
    ['records before the end cut off', (all) => void all.splice(all.length - 2 - pick(all.length - 3), all.length, all.at(-1)!)],
    ['records of the beginning removed', (all) => void all.splice(1, 1 + pick(all.length - 3))],
    ['a time changed, and its hash made anew', (all) => forge(all, 1 + pick(all.length - 2))],
  ]
  for (let i = 0; i < 1_000; i++) {
    const [what, mutate] = mutations[i % mutations.length]!
    const changed = [...lines]
    mutate(changed)
    if (changed.join('\n') === lines.join('\n')) continue
    const report = await verifyExport(changed, key)
    assert.equal(report.ok, false, `mutation ${i}: ${what}`)
  }
})

function changeCharacter(all: string[], pick: (below: number) => number): void {
  const line = pick(all.length)
  const text = all[line]!
  const at = pick(text.length)
  all[line] = `${text.slice(0, at)}${String.fromCharCode(32 + pick(90))}${text.slice(at + 1)}`
}

function swap(all: string[], at: number): void {
  const first = all[at]!
  all[at] = all[at + 1]!
  all[at + 1] = first
}

/** What whoever can write the store would do: a changed record with a hash that is right for it. */
function forge(all: string[], at: number): void {
  const { user } = JSON.parse(all[0]!) as { user: string }
  const record = JSON.parse(all[at]!) as Record<string, unknown>
  const forged = { ...record, at: (record['at'] as number) + 1 }
  const { seq, at: time, actor, session, turn, call, name, phase, previous } = forged as Record<string, unknown>
  const reference = /^\{"blob":"([0-9a-f]{64})"/.exec(record['body'] as string)?.[1]
  const body = reference ?? blake3(record['body'] as string)
  const hash = blake3(JSON.stringify(['oxbow.record.2', user, seq, time, actor, session, turn, call, name, phase, body, previous]))
  all[at] = JSON.stringify({ ...forged, hash })
}
