/**
 * Builds the container of the Containerfile and lets agents work in it. A person starts it, as root, after `npm run build`; the container
 * installs packages of Debian over the network:
 *
 *     apt-get install debootstrap podman
 *     node test/rigs/container-main.ts [FOLDER]
 *
 * Debian is kept in the folder, and stands for the image that the file names. Its exit code is 0 when all has worked.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { repository } from '../kernels/machine-tree.ts'
import { debian, run } from './debian-tree.ts'

/** Where this machine sets lower ones, runc cannot set its own. */
const limits = ['--ulimit=nofile=4096:4096', '--ulimit=nproc=4096:4096']
const startMs = 30_000

async function main(kept: string): Promise<void> {
  const base = await debian(kept)
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-container-rig-'))
  const own = ['--root', join(folder, 'images'), '--runroot', join(folder, 'run')]
  const podman = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await promisify(execFile)('podman', [...own, ...args], { maxBuffer: 1 << 26 })
    return stdout + stderr
  }
  try {
    const out = join(folder, 'packages')
    await run(process.execPath, [join(repository, 'scripts/package/main.ts'), out])
    const recipe = await readFile(join(out, 'Containerfile'), 'utf8')
    const [, image = ''] = /^FROM (.*)$/m.exec(recipe) ?? []
    await run('tar', ['-C', base, '-cf', join(folder, 'base.tar'), '.'])
    await podman('import', join(folder, 'base.tar'), image)
    process.stdout.write(`${image} is a Debian of this machine\n`)
    await podman('build', '--network', 'host', '--tag', 'oxbow', '--file', join(out, 'Containerfile'), out)
    // As the file itself says.
    const [, said = ''] = /podman run (.*) oxbow$/m.exec(recipe) ?? []
    const options = [...limits, ...said.split(' ')]
    for (const program of ['oxbow', 'oxbow-verify', 'oxbowd'])
      assert.match(
        await podman('run', '--rm', ...limits, '--entrypoint', 'sh', 'oxbow', '-c', `command -v ${program}`),
        /\/usr\/local\/bin/,
      )
    assert.match(await podman('run', '--rm', ...options, 'oxbow', 'run', '--model', 'offline', 'write "hi" to a.txt'), /Wrote 2 bytes/)
    process.stdout.write('agents have files in it\n')
    await podman('run', '--detach', '--name', 'serving', ...options, 'oxbow')
    for (const end = Date.now() + startMs; !(await podman('logs', 'serving')).includes('gateway'); await sleep(200))
      assert.ok(Date.now() < end)
    assert.match(await podman('exec', 'serving', 'oxbow', 'status'), /running, pid/)
    assert.match(await podman('exec', 'serving', 'oxbow', 'run', '--model', 'offline', '2+2'), /= 4/)
    await podman('stop', '--time', '20', 'serving')
    assert.match(await podman('inspect', '--format', '{{.State.ExitCode}}', 'serving'), /^0$/m, 'it ends by itself when it is told to')
    process.stdout.write('it serves, and stops\n')
  } finally {
    await podman('rm', '--all', '--force').catch(() => {})
    await podman('rmi', '--all', '--force').catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
}

await main(resolve(process.argv[2] ?? join(tmpdir(), 'oxbow-systemd')))
