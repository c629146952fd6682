/** Many programs that start at once in a home that nobody has used: one guest at a time writes, and the journal is whole after it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { inTime } from '../support/patience.ts'
import { scaled } from '../support/scale.ts'

const rounds = Number(process.env['OXBOW_TEST_ROUNDS'] ?? scaled(5, 2))
const [runs, servers] = [6, 2]

interface Started {
  readonly child: ReturnType<typeof spawn>
  readonly said: { text: string }
  readonly over: Promise<number | null>
  /** Resolves once it serves, says that another one does, or has ended. */
  readonly settled: Promise<void>
}

function start(home: string, ...args: readonly string[]): Started {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const child = spawn(process.execPath, [program, ...args], { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { text: '' }
  const over = new Promise<number | null>((resolve) => child.once('close', resolve))
  const serves = Promise.withResolvers<void>()
  const take = (chunk: Buffer): void => {
    said.text += chunk.toString()
    if (said.text.includes('Ctrl+C stops it.')) serves.resolve()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  return { child, said, over, settled: Promise.race([serves.promise, over.then(() => {})]) }
}

test('programs that start at once in a new home leave a journal that verifies, with all that they asked', async (t) => {
  for (let round = 1; round <= rounds; round += 1) {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-first-'))
    shareCompileCache(home)
    const serving = Array.from({ length: servers }, () => start(home, 'serve'))
    const asking = Array.from({ length: runs }, (_, at) => start(home, 'run', `write 'text ${at}' to f${at}.txt`, '--yes'))
    const all = [...serving, ...asking]
    const shown = (): string => all.map(({ said }) => said.text).join('\n---\n')
    try {
      const exits = await inTime(Promise.all(asking.map(({ over }) => over)), () => `six runs to end; they say: ${shown()}`)
      assert.deepEqual(new Set(exits), new Set([0]), shown())
      await inTime(Promise.all(serving.map(({ settled }) => settled)), () => `two servers to serve or end; they say: ${shown()}`)
      for (const { child } of serving) child.kill('SIGINT')
      await inTime(Promise.all(serving.map(({ over }) => over)), () => `two servers to end; they say: ${shown()}`)
      const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'audit', 'verify'], { env, encoding: 'utf8' })
      assert.equal(status, 0, `round ${round}: ${stdout}${stderr}\n${shown()}`)
      assert.match(stdout, /The journal verifies/)
      t.diagnostic(`round ${round}: ${stdout.split('\n')[1]?.trim()}`)
    } finally {
      for (const { child } of all) if (child.exitCode === null) child.kill('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    }
  }
})
