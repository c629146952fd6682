import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { HandsProcess } from '../hands/hands-process.ts'
import { createGuard, standWhereTheyShould } from './git-guard.ts'
import type { GuardedPath } from '../tier-plan.ts'

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
    let found: string[] = []
    await guard.during((guarded) => {
      found = names(guarded)
      return Promise.resolve(hands(''))
    })
    const whole = (path: string): string[] => [`${path}+`, `${path}/hooks`, `${path}/config`]
    assert.deepEqual(found.toSorted(), [...whole('.git'), 'parts/.git+', ...whole('work/project/.git')].toSorted())
  })

  it('is everything for the first sandbox, which others wait for, and what then exists for later ones', async () => {
    const own = join(root, 'own')
    makeRepository(own)
    const guard = createGuard(own)
    guard.look()
    const order: string[] = []
    const launched = Promise.withResolvers<void>()
    const first = guard.during(async (guarded) => {
      await launched.promise
      order.push(`first ${names(guarded).length}`)
      return hands('')
    })
    const joins = (table: string) =>
      guard.during((guarded) => {
        order.push(`joins ${names(guarded).join()}`)
        return Promise.resolve(hands(table))
      })
    const second = joins(tableOf('.git', '.git/hooks', '.git/config'))
    launched.resolve()
    await Promise.all([first, second])
    makeRepository(join(own, 'below'))
    await assert.rejects(joins(tableOf('.git', '.git/hooks', '.git/config')), /moved or replaced/)
    const top = '.git+,.git/hooks,.git/config'
    assert.deepEqual(order, ['first 3', `joins ${top}`, `joins ${top},${top.replaceAll('.git', 'below/.git')}`])
    assert.equal(killed, 1)
  })

  it('is only the top-level repository for later sandboxes that cannot list the roots of their mounts', async () => {
    const guard = createGuard(join(root, 'own'), false)
    guard.look()
    await guard.during(() => Promise.resolve(hands('')))
    await guard.during((guarded) => {
      assert.deepEqual(names(guarded), ['.git+', '.git/hooks', '.git/config'])
      return Promise.resolve(hands(''))
    })
  })

  it('is valid unless a mount shows something else, or is at another path', () => {
    const whole = ['a b/.git', 'a b/.git/hooks']
    const table = tableOf(...whole)
    assert.ok(standWhereTheyShould(table, whole))
    // The workspace is a file system of its own.
    assert.ok(standWhereTheyShould(table.replace('8:1 /home/ada/shared ', '8:1 / ').replaceAll('/home/ada/shared', ''), whole))
    for (const [from, to] of [
      ['/home/ada/shared/a\\040b/.git ', '/home/ada/.ssh '],
      ['8:1 /home/ada/shared/a\\040b/.git/hooks', '8:2 /home/ada/shared/a\\040b/.git/hooks'],
      [' /shared/a\\040b/.git/hooks', ' /shared/c/.git/hooks'],
    ] as const) {
      assert.ok(table.includes(from), from)
      assert.ok(!standWhereTheyShould(table.replace(from, to), whole), from)
    }
    assert.ok(!standWhereTheyShould('', whole))
  })
})

let killed = 0

/** Hands that show this table of mounts to whoever looks. */
function hands(table: string): HandsProcess {
  const output = { exitCode: 0, stdout: table }
  return {
    hands: { ask: () => Promise.resolve(output as never) },
    isOpen: () => true,
    kill: () => Promise.resolve(void (killed += 1)),
  }
}

/** As proc(5) has it, of a workspace at /home/ada, in which each of these is mounted onto itself. */
function tableOf(...paths: readonly string[]): string {
  const lines = ['10 9 8:1 /home/ada/shared /shared rw']
  for (const [i, path] of paths.map((each) => each.replaceAll(' ', '\\040')).entries()) {
    const parent = paths.findLastIndex((each, at) => at < i && path.startsWith(`${each.replaceAll(' ', '\\040')}/`))
    lines.push(`${11 + i} ${parent === -1 ? 10 : 11 + parent} 8:1 /home/ada/shared/${path} /shared/${path} ro`)
  }
  return lines.join('\n')
}
