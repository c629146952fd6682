import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { saveMedia } from './media-verb.ts'

const gateway = {
  call: async () => ({ status: 'ok', ok: true, text: '', output: { data: Buffer.from('evil').toString('base64') } }),
} as unknown as Pick<GatewayPort, 'call'>

it('what an agent has sent is saved as no file that a shell runs by its name, outside of no folder, and through no link', async () => {
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

it('what an agent has sent is not saved where a link of the workspace leads, which the agent may have made', async () => {
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
