/** The files of logs: what is written, replaced and read back. */
import { type LogLine } from '../base/index.ts'
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createSecretSearch } from '../secrets/secret-search.ts'
import { everyLine, followLog, type LogFilter, openLog, openNotes, readLog } from './index.ts'

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-logs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

const read = (folder: string, filter: Partial<LogFilter> = {}, most = 1_000): readonly LogLine[] =>
  readLog(() => folder, { ...everyLine, ...filter }, most)

void test('a process of a second writes the same lines as one that has loaded the writer', async (t) => {
  const folders = [newFolder(t), newFolder(t)]
  for (const [at, folder] of folders.entries()) {
    const log = openLog({ folder, now: () => 1_700_000_000_000, loadMs: 0 })
    if (at === 1) {
      log.write('runner', 'info', 'loads the writer')
      while (!existsSync(join(folder, 'runner.log'))) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    log.write('guest', 'warn', 'a call was refused', { name: 'file.write', turn: 't1', ms: 3 })
    log.write('guest', 'debug', 'not written')
    await log.close()
    assert.equal(log.problem(), '')
  }
  const [early, late] = folders.map((folder) => JSON.parse(readFileSync(join(folder, 'guest.log'), 'utf8')) as LogLine)
  assert.deepEqual(late, early)
  assert.deepEqual(early, {
    time: '2023-11-14T22:13:20.000Z',
    level: 'warn',
    role: 'guest',
    name: 'file.write',
    turn: 't1',
    ms: 3,
    msg: 'a call was refused',
  })
  assert.equal(statSync(join(folders[1]!, 'guest.log')).mode & 0o777, 0o600)
})

void test('secrets are hidden in every field, in every spelling, and from the moment at which they are known', async (t) => {
  const folder = newFolder(t)
  const search = createSecretSearch()
  search.add('KEY', 'sk-first-secret-of-all')
  const odd = 'quote " and \\ and\nline-feed-secret'
  search.add('ODD', odd)
  const log = openLog({ folder, loadMs: 0 })
  log.settle({ hide: (text) => search.hide(text) })
  log.write('guest', 'info', 'said sk-first-secret-of-all', { field: { deep: odd } as never, text: odd })
  log.write('guest', 'info', 'before: sk-later-secret-0123456789')
  await log.close()
  const next = openLog({ folder, loadMs: 0 })
  next.settle({ hide: (text) => search.hide(text) })
  search.add('LATER', 'sk-later-secret-0123456789')
  next.write('guest', 'info', 'after: sk-later-secret-0123456789')
  next.write('guest', 'info', 'long', { text: `${'x'.repeat(16_370)}sk-first-secret-of-all` })
  await next.close()
  const text = readFileSync(join(folder, 'guest.log'), 'utf8')
  assert.equal(text.match(/sk-first|line-feed-secret/g), null)
  assert.equal(text.match(/sk-later-secret/g)?.length, 1, 'the one that was written before it was known')
  for (const line of text.trim().split('\n')) JSON.parse(line)
  assert.match(read(folder).at(0)!.msg, /^said \[secret:KEY\]$/)
})

void test('eight files are kept, each of the size, and no line is lost between them', async (t) => {
  const folder = newFolder(t)
  const log = openLog({ folder, maxFileBytes: 20_000, loadMs: 0 })
  const count = 3_000
  for (let at = 0; at < count; at += 1) {
    log.write('guest', 'info', 'a line', { at })
    if (at % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await log.close()
  assert.equal(log.problem(), '')
  const names = readdirSync(folder).sort()
  assert.deepEqual(names, ['guest.log', ...[1, 2, 3, 4, 5, 6, 7].map((index) => `guest.log.${index}`)])
  for (const name of names.slice(1)) {
    const { size } = statSync(join(folder, name))
    assert.ok(size >= 20_000 && size < 60_000, `${name}: ${size}`)
  }
  const found = read(folder, {}, 100_000).map(({ at }) => at as number)
  assert.deepEqual(
    found,
    Array.from({ length: found.length }, (_, index) => count - found.length + index),
  )
})

void test('lines that are written at once have eight files too, and the newest are read without reading all', (t) => {
  const folder = newFolder(t)
  const note = openNotes(folder, 'daemon', { maxFileBytes: 20_000 })
  const count = 3_000
  for (let at = 0; at < count; at += 1) note('info', 'a line', { at })
  assert.equal(readdirSync(folder).length, 8)
  for (const name of readdirSync(folder)) assert.ok(statSync(join(folder, name)).size <= 20_200, name)
  assert.deepEqual(
    read(folder, {}, 5).map(({ at }) => at),
    [2_995, 2_996, 2_997, 2_998, 2_999],
  )
  const found = read(folder, {}, 100_000).map(({ at }) => at as number)
  assert.ok(found.length > 1_000)
  assert.deepEqual(
    found,
    Array.from({ length: found.length }, (_, index) => count - found.length + index),
  )
  // From the end of a large file, whatever it has.
  const long = Array.from({ length: 20_000 }, (_, at) => `{"time":"2026-01-01T00:00:00.000Z","level":"info","msg":"line ${at}"}\n`)
  writeFileSync(join(folder, 'guest.log'), long.join(''))
  for (const most of [1, 3_000, 30_000]) {
    const lines = read(folder, { roles: ['guest'] }, most)
    assert.equal(lines.length, Math.min(most, 20_000))
    assert.equal(lines[0]!.msg, `line ${20_000 - lines.length}`)
  }
})

void test('what cannot be written is counted and said, and nothing throws or waits', async (t) => {
  const folder = newFolder(t)
  const log = openLog({ folder: join(folder, 'gone'), loadMs: 0 })
  log.write('guest', 'error', 'nobody hears')
  log.flushNow()
  assert.match(log.problem(), /^1 lines were lost: .*ENOENT/)
  log.write('guest', 'error', 'nor this')
  await log.close()
  // A folder in the place of the file, which root cannot write to either.
  const blocked = openLog({ folder, loadMs: 0 })
  rmSync(join(folder, 'guest.log'), { force: true })
  chmodSync(folder, 0o700)
  writeFileSync(join(folder, 'x'), '')
  blocked.write('x/y' as never, 'error', 'not a file')
  await blocked.close()
  assert.match(blocked.problem(), /ENOTDIR/)
})

void test('lines of all roles are read in the order of time, and chosen by role, level, time and turn', async (t) => {
  const folder = newFolder(t)
  let now = Date.parse('2026-01-01T00:00:00Z')
  const log = openLog({ folder, level: 'trace', now: () => (now += 1_000) })
  log.write('guest', 'info', 'one', { turn: '019a-first' })
  log.write('hands', 'warn', 'two', { turn: '019b-second' })
  log.write('plugins', 'error', 'three')
  log.write('guest', 'debug', 'four', { turn: '019a-first' })
  await log.close()
  const said = (filter: Partial<LogFilter>, most?: number): string =>
    read(folder, filter, most)
      .map(({ msg }) => msg)
      .join()
  assert.equal(said({}), 'one,two,three,four')
  assert.equal(said({}, 2), 'three,four')
  assert.equal(said({ roles: ['hands', 'plugins'] }), 'two,three')
  assert.equal(said({ level: 'warn' }), 'two,three')
  assert.equal(said({ since: Date.parse('2026-01-01T00:00:03Z') }), 'three,four')
  assert.equal(said({ turn: '019a' }), 'one,four')
})

void test('what no log has written is a line too, and no field of a hostile one is taken for another', async (t) => {
  const folder = newFolder(t)
  const line = (fields: object): string => `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', level: 'info', msg: 'm', ...fields })}\n`
  writeFileSync(
    join(folder, 'guest.log'),
    `${line({ role: 'daemon', turn: 3, __proto__: null })}not json\n${line({ level: 'loud' })}{"time":\n\nOther\n`,
  )
  writeFileSync(join(folder, 'guest.stderr.log'), 'FATAL ERROR: Reached heap limit\n\n    at x\n    at y {\n  code: 1\n}\n')
  const lines = read(folder)
  assert.deepEqual(
    lines.filter(({ level }) => level === 'info'),
    [{ time: '2026-01-01T00:00:00.000Z', level: 'info', role: 'guest', msg: 'm' }],
  )
  assert.ok(
    lines.some(({ level, msg }) => level === 'error' && msg === 'FATAL ERROR: Reached heap limit\n    at x\n    at y {\n  code: 1\n}'),
  )
  assert.equal(lines.length, 6)
})

void test('a reader that follows misses nothing while files are replaced, and prints no half line', async (t) => {
  const folder = newFolder(t)
  appendFileSync(join(folder, 'guest.log'), '{"time":"2026-01-01T00:00:00.000Z","level":"info","msg":"old"}\n')
  const over = new AbortController()
  const seen: unknown[] = []
  const following = (async () => {
    for await (const lines of followLog(() => folder, everyLine, over.signal)) for (const { at, msg } of lines) seen.push(at ?? msg)
  })()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const log = openLog({ folder, maxFileBytes: 30_000, loadMs: 0 })
  const count = 1_000
  for (let at = 0; at < count; at += 1) {
    log.write('guest', 'info', 'a line', { at })
    if (at % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await log.close()
  while (seen.length < count) await new Promise((resolve) => setTimeout(resolve, 20))
  over.abort()
  await following
  assert.ok(existsSync(join(folder, 'guest.log.1')), 'files were replaced meanwhile')
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, at) => at),
  )
})
