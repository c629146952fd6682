import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { it } from 'node:test'

/** As hands are inside. */
const uid = 58_321

it(
  'what is of another user belongs to no command: in a machine that is its kernel, which nobody can end',
  { skip: process.getuid?.() !== 0 && 'only root starts a program as another user' },
  () => {
    const program = `
      const { spawn } = await import('node:child_process')
      const { leftovers } = await import(${JSON.stringify(new URL('process-tree.ts', import.meta.url).href)})
      const own = spawn('sleep', ['60'], { detached: true })
      console.log(JSON.stringify([leftovers({ pid: 0, mark: 'NONE=1' }, [], true), own.pid]))
      own.kill('SIGKILL')`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      uid,
      gid: uid,
      encoding: 'utf8',
      cwd: '/',
    })
    const [found, own] = JSON.parse(stdout || '[]') as [number[], number]
    assert.deepEqual(found, [own], stderr)
  },
)
