import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { findLocalFile, uploadFiles } from './local-file.ts'

/** A home with a secret of the person's beside the folder that an agent writes in. */
function house() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-own-')))
  const shared = join(root, 'oxbow/users/ada/shared')
  const workspaces = join(root, 'oxbow/users')
  mkdirSync(join(shared, 'folder'), { recursive: true })
  mkdirSync(join(root, '.ssh'))
  writeFileSync(join(root, '.ssh/key'), 'secret')
  writeFileSync(join(shared, 'folder/plain'), 'plain')
  const find = (path: string) => findLocalFile(join(root, path), workspaces)
  return { root, shared, workspaces, find, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

it('a file of the workspace is attached, and one that a link of an agent leads to is not', async () => {
  using home = house()
  const { root, shared, find } = home
  symlinkSync(join(root, '.ssh/key'), join(shared, 'report.pdf'))
  symlinkSync('../../../../.ssh', join(shared, 'reports'))
  symlinkSync('folder', join(shared, 'within'))
  // A person's own links lead into the workspace, and to what they like.
  symlinkSync(shared, join(root, 'work'))
  symlinkSync(join(shared, 'report.pdf'), join(root, 'latest'))
  symlinkSync('.ssh/key', join(root, 'my-key'))
  assert.equal((await find('oxbow/users/ada/shared/folder/plain')).bytes, 5)
  assert.equal((await find('work/folder/plain')).bytes, 5)
  assert.equal((await find('my-key')).bytes, 6)
  const hostile = [
    'oxbow/users/ada/shared/report.pdf',
    'oxbow/users/ada/shared/reports/key',
    'work/report.pdf',
    'work/reports/key',
    'latest',
  ]
  for (const path of hostile) await assert.rejects(find(path), { code: 'bad_input', message: /is a link to/ }, path)
  await assert.rejects(find('work/within/plain'), { code: 'bad_input' }, 'a link within may lead elsewhere a moment later')
})

it('links in a circle, and pipes that nobody writes into, hold up nobody', { skip: process.platform === 'win32' }, async () => {
  using home = house()
  symlinkSync('loop', join(home.root, 'loop'))
  execFileSync('mkfifo', [join(home.shared, 'pipe')])
  await assert.rejects(home.find('loop'), { code: 'bad_input' })
  await assert.rejects(home.find('oxbow/users/ada/shared/pipe'), { code: 'bad_input', message: /is no file/ })
})

it('a file that an agent has put a link in the place of, after it was looked at, is not sent', async () => {
  using home = house()
  const file = await home.find('oxbow/users/ada/shared/folder/plain')
  renameSync(join(home.shared, 'folder'), join(home.shared, 'gone'))
  symlinkSync(join(home.root, '.ssh'), join(home.shared, 'folder'))
  writeFileSync(join(home.root, '.ssh/plain'), 'secret')
  const sent: string[] = []
  const gateway = { call: async (_: string, input: { data: string }) => void sent.push(input.data) } as unknown as Pick<GatewayPort, 'call'>
  await assert.rejects(uploadFiles([file], gateway), { code: 'bad_input' })
  assert.deepEqual(sent, [])
})
