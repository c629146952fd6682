/** Which containers are taken for a dead kernel's, with a fake `docker` program. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { containerName, reapOrphans } from './container-process.ts'

describe('what dead kernels have left', () => {
  it('is told by the number of the kernel, where that is one of our own namespace', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-remains-'))
    const live = containerName('live')
    const dead = live.replace(`-${process.pid}-`, '-4194304999-')
    // Of a kernel in a container, say, that uses the same service: its numbers mean others.
    const foreign = dead.replace(/\d+-live$/, '1-live')
    const file = join(folder, 'docker')
    const lines = [live, dead, foreign].map((name) => `echo x ${name}`).join('; ')
    await writeFile(file, `#!/bin/sh\ncase $1 in ps) ${lines};; *) echo "$@" >> ${folder}/asked;; esac\n`, { mode: 0o755 })
    for (const name of [live, dead, foreign]) await writeFile(join(folder, `${name}.id`), '')
    await reapOrphans({ name: 'docker', file, env: {}, rootless: false }, folder)
    assert.equal(await readFile(join(folder, 'asked'), 'utf8'), `rm --force ${dead}\n`)
    assert.deepEqual((await readdir(folder)).filter((name) => name.endsWith('.id')).sort(), [foreign, live].map((n) => `${n}.id`).sort())
    await rm(folder, { recursive: true })
  })
})
