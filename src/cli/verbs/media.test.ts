import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { GatewayPort } from '../guest-connection.ts'
import { saveMedia } from './media.ts'

const gateway = {
  call: async () => ({ status: 'ok', ok: true, text: '', output: { data: Buffer.from('evil').toString('base64') } }),
} as unknown as Pick<GatewayPort, 'call'>

it('a sent file is saved under a name that no shell runs, inside the folder, and through no link', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-media-'))
  try {
    await symlink(join(folder, 'elsewhere'), join(folder, 'link'))
    const sent = { kind: 'document', media_type: 'text/plain', bytes: 4, pieces: ['0'.repeat(64)], caption: '' }
    for (const name of ['.bash_profile', '...', '../../.envrc', 'a\u202etxt.exe', 'link'])
      await saveMedia({ ...sent, name }, { folder, workspaces: '/none' }, gateway)
    assert.deepEqual((await readdir(folder)).toSorted(), ['2-link', 'atxt.exe', 'bash_profile', 'envrc', 'file', 'link'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('a sent file is not saved through a link in the workspace, which the agent may have made', async () => {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-media-'))
  try {
    await mkdir(join(home, 'users/ada/shared'), { recursive: true })
    await mkdir(join(home, 'autostart'))
    await symlink(join(home, 'autostart'), join(home, 'users/ada/shared/pictures'))
    const sent = { kind: 'document', media_type: 'text/plain', bytes: 4, pieces: [], caption: '', name: 'evil.desktop' }
    const save = (folder: string) => saveMedia(sent, { folder: join(home, folder), workspaces: join(home, 'users') }, gateway)
    await assert.rejects(save('users/ada/shared/pictures'), { code: 'bad_input' })
    await assert.rejects(save('users/ada/shared/pictures/new'), { code: 'bad_input' })
    assert.deepEqual(await readdir(join(home, 'autostart')), [])
    await save('users/ada/shared/new')
    assert.deepEqual(await readdir(join(home, 'users/ada/shared/new')), ['evil.desktop'])
  } finally {
    await rm(home, { recursive: true })
  }
})

it('a folder that is a file, or is in one, is reported as impossible to create', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-media-'))
  try {
    const file = join(folder, 'file')
    await writeFile(file, 'of the person')
    const sent = { kind: 'document', media_type: 'text/plain', bytes: 4, pieces: [], caption: '', name: 'a' }
    for (const taken of [file, join(file, 'in')]) {
      await assert.rejects(saveMedia(sent, { folder: taken, workspaces: '/none' }, gateway), { code: 'bad_input' })
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('a file that does not fit the disk is reported and removed', { skip: process.platform === 'win32' }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-media-'))
  try {
    const script = `
const { saveMedia } = await import(${JSON.stringify(fileURLToPath(new URL('media.ts', import.meta.url)))})
const gateway = { call: async () => ({ status: 'ok', output: { data: Buffer.alloc(100_000).toString('base64') } }) }
const sent = { kind: 'document', name: 'a', media_type: '', bytes: 1, pieces: ['0'], caption: '' }
await saveMedia(sent, { folder: ${JSON.stringify(folder)}, workspaces: '/none' }, gateway).catch(({ code }) => console.log(code))`
    // The shell's limit for files ends a write as a full disk does: in the middle.
    const args = ['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script]
    assert.equal(spawnSync('sh', args, { encoding: 'utf8' }).stdout, 'bad_input\n')
    assert.deepEqual(await readdir(folder), [])
  } finally {
    await rm(folder, { recursive: true })
  }
})
