/** The bundle of a checkout: made once, never stale, and never from where somebody else could have put it. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import { loadHandsProgram } from './hands-program.ts'

describe('the hands program of a checkout', () => {
  let folder = ''
  let entry = ''
  let cache = ''
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-bundled-')))
    entry = join(folder, 'main.ts')
    cache = join(folder, 'cache')
    writeFileSync(entry, "import { answer } from './answer.ts'\nreport(answer)\n")
    writeFileSync(join(folder, 'answer.ts'), 'export const answer: number = 41\n')
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const load = (...folders: string[]): Promise<string> => loadHandsProgram(entry, folders.length === 0 ? [cache] : folders)
  const answerOf = (program: string): unknown => {
    let answer: unknown
    runInNewContext(program, { report: (value: unknown) => (answer = value), exports: {}, module: {} })
    return answer
  }
  /** Replaces the kept program by one that answers 0, as whoever can write there may. */
  const plant = (): void => {
    const [name] = readdirSync(cache)
    const text = readFileSync(join(cache, name!), 'utf8')
    writeFileSync(join(cache, name!), text.replace('41', '0 '))
  }

  it('is made of the sources, and made anew when one of them changes', async () => {
    const first = await load()
    assert.equal(answerOf(first), 41)
    assert.deepEqual([await load(), readdirSync(cache).length], [first, 1])
    writeFileSync(join(folder, 'answer.ts'), 'export const answer: number = 42\n')
    assert.equal(answerOf(await load()), 42)
    rmSync(join(folder, 'answer.ts'))
    await assert.rejects(load())
  })

  it('is taken from the cache when nothing has changed, and not when the cached file was cut or altered', async () => {
    await load()
    const [name] = readdirSync(cache)
    const made = readFileSync(join(cache, name!), 'utf8')
    assert.match(made, /^\/\/\{"inputs":/)
    plant()
    assert.equal(answerOf(await load()), 41)
    writeFileSync(join(cache, name!), made.slice(0, -5))
    assert.equal(answerOf(await load()), 41)
    assert.equal(readFileSync(join(cache, name!), 'utf8'), made)
  })

  it('is neither taken from nor put into a folder that others can write', async (test) => {
    await load()
    chmodSync(cache, 0o777)
    const before = readdirSync(cache)
    rmSync(join(cache, before[0]!))
    assert.equal(answerOf(await load()), 41)
    assert.deepEqual(readdirSync(cache), [])
    const own = join(folder, 'own')
    assert.equal(answerOf(await load(cache, own)), 41)
    assert.equal(readdirSync(own).length, 1)
    if (process.getuid?.() !== 0) return test.diagnostic('the owner is tried as root only')
    const theirs = join(folder, 'theirs')
    mkdirSync(theirs, { mode: 0o755 })
    chownSync(theirs, 60_999, 60_999)
    assert.equal(answerOf(await load(theirs)), 41)
    assert.deepEqual(readdirSync(theirs), [])
  })

  it('is the same program each time, as images that hold it are known by its hash', async () => {
    assert.equal(await loadHandsProgram(undefined, []), await loadHandsProgram(undefined, []))
  })
})
