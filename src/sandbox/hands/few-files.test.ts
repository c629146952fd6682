import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'

/** Starts in a process of its own that may have few files open, and has them all. @returns what became of it */
function withoutFiles(start: string): string {
  const program = `
    import { openSync } from 'node:fs'
    import { startHands } from '${new URL('./hands-process.ts', import.meta.url).href}'
    import { startContainer } from '${new URL('../container/container-process.ts', import.meta.url).href}'
    process.getBuiltinModule('node:child_process')
    try { for (;;) openSync('/dev/null') } catch {}
    await (${start}).catch((error) => process.stdout.write(error.code + ' ' + error.message))
    setImmediate(() => process.stdout.write(', lives on'))`
  const script = 'ulimit -n 60; exec "$0" --input-type=module --disable-warning=ExperimentalWarning -e "$1"'
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script, process.execPath, program], { encoding: 'utf8', timeout: 60_000 })
  return stdout || stderr
}

describe('a sandbox that is started when too many files are open', () => {
  const refused = 'limit_reached A sandbox cannot be started: too many files are open., lives on'
  it('is refused with what to do, in a process', () => {
    assert.equal(withoutFiles(`startHands({ file: '/bin/true', args: [], cwd: '/', data: ['x'] }, async () => {})`), refused)
  })
  it('is refused with what to do, in a container', () => {
    const engine = `{ name: 'podman', file: '/bin/true', env: {}, rootless: false }`
    const start = `startContainer({ engine: ${engine}, name: 'x', idFile: '/none', args: [], logger() {}, onGone() {} })`
    assert.equal(withoutFiles(start), refused)
  })
})
