import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const module = new URL('./hands-program.ts', import.meta.url).href
const load = `const { loadHandsProgram } = await import('${module}'); process.stdout.write(loadHandsProgram(process.argv[1]))`

test('a program that was joined from sources is kept with the code that Node keeps, until a source changes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-joined-'))
  try {
    const entry = join(folder, 'main.ts')
    const cache = join(folder, 'cache')
    writeFileSync(entry, "import { answer } from './answer.ts'\nconsole.log(answer)\n")
    writeFileSync(join(folder, 'answer.ts'), 'export const answer: number = 41\n')
    const joined = async (env: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: cache }): Promise<string> => {
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', load, entry], { env })
      return stdout
    }
    const kept = (): readonly string[] =>
      readdirSync(cache, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('oxbow-hands-'))

    const first = await joined()
    assert.match(first, /answer {9}= 41/)
    const [name, ...others] = kept()
    assert.deepEqual(others, [])
    writeFileSync(join(cache, name!), 'kept')
    assert.equal(await joined(), 'kept')
    assert.equal(await joined({}), first)

    writeFileSync(join(folder, 'answer.ts'), 'export const answer: number = 42\n')
    assert.match(await joined(), /answer {9}= 42/)
    assert.equal(kept().length, 1)
    assert.notEqual(kept()[0], name)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
