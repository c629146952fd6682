import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createGuard } from './git-guard.ts'
import type { GuardedPath } from './git-guard.ts'

const makeRepository = (path: string): void => {
  mkdirSync(join(path, '.git/hooks'), { recursive: true })
  for (const name of ['HEAD', 'config']) writeFileSync(join(path, '.git', name), 'x')
}
const names = (guarded: readonly GuardedPath[]): string[] => guarded.map(({ path, writable }) => (writable ? `${path}+` : path))

describe('what is guarded of repositories', () => {
  let root: string
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'oxbow-guard-'))
    makeRepository(root)
    makeRepository(join(root, 'work/project'))
    makeRepository(join(root, 'too/deep/for/this'))
    makeRepository(join(root, 'node_modules/package'))
    mkdirSync(join(root, 'linked'))
    symlinkSync(join(root, '.git'), join(root, 'linked/.git'))
    mkdirSync(join(root, 'parts/.git'), { recursive: true })
    writeFileSync(join(root, 'parts/.git/HEAD'), 'x')
    symlinkSync('/etc', join(root, 'parts/.git/hooks'))
  })
  after(() => rmSync(root, { recursive: true }))

  it('is found at the top and below, and nothing through links', async () => {
    const guard = createGuard(root)
    guard.look()
    const found = await guard.during((guarded) => Promise.resolve(names(guarded)))
    const whole = (path: string): string[] => [`${path}+`, `${path}/hooks`, `${path}/config`]
    assert.deepEqual(found.toSorted(), [...whole('.git'), 'parts/.git+', ...whole('work/project/.git')].toSorted())
  })

  it('is all for the first sandbox, which is waited for, and the top for those that join it', async () => {
    const own = join(root, 'own')
    makeRepository(own)
    makeRepository(join(own, 'below'))
    const guard = createGuard(own)
    guard.look()
    const order: string[] = []
    const launched = Promise.withResolvers<void>()
    const first = guard.during(async (guarded) => {
      await launched.promise
      order.push(`first ${names(guarded).length}`)
    })
    const second = guard.during((guarded) => {
      order.push(`second ${names(guarded).join()}`)
      return Promise.resolve()
    })
    launched.resolve()
    await Promise.all([first, second])
    assert.deepEqual(order, ['first 6', 'second .git+,.git/hooks,.git/config'])
  })
})
