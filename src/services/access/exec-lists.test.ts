import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { execRun } from '../../tools/shell/run-call.ts'
import { shellExec } from '../../tools/shell/exec-call.ts'
import type { Json } from '../../base/index.ts'
import type { GenerateRequest } from '../../protocol/index.ts'
import { isProgramPattern } from './config.ts'
import { openMemoryStore } from '../../store/index.ts'
import { asks, openFixture, says, user } from '../../kernel/kernel-fixture.ts'
import { allows, denies } from './exec-lists.ts'

const words = (text: string): readonly string[] => text.split(' ')

describe('a pattern of programs', () => {
  it('allows the program alone, or with the arguments that it names', () => {
    const covered: readonly (readonly [pattern: string, command: string])[] = [
      ['git', 'git push --force'],
      ['git status', 'git status'],
      ['git  status', 'git status'],
      ['git log **', 'git log'],
      ['git log **', 'git log -1 x'],
      ['git log v*', 'git log v1.2'],
      ['python3*', 'python3.12 -V'],
      ['*', 'anything at all'],
      ['a *x*y*z', 'a 1x2y3z'],
    ]
    for (const [pattern, command] of covered) assert.ok(allows(pattern, words(command)), `${pattern}: ${command}`)
    const others: readonly (readonly [pattern: string, command: string])[] = [
      ['git', 'gitk'],
      ['git status', 'git status -s'],
      ['git status', 'git'],
      ['git log **', 'git -C x log'],
      ['git log v*', 'git log 1v'],
      ['a *x*y', 'a y1x'],
      ['a ab*ba', 'a aba'],
      ['git', 'Git'],
    ]
    for (const [pattern, command] of others) assert.ok(!allows(pattern, words(command)), `${pattern}: ${command}`)
  })

  it('denies wherever its arguments stand', () => {
    for (const command of ['git push', 'git -C x push', 'git -c a=b push --force origin'])
      assert.ok(denies('git push', words(command)), command)
    for (const command of ['git pull', 'hub push', 'git']) assert.ok(!denies('git push', words(command)), command)
    assert.ok(denies('git push *force*', words('git push origin --force-with-lease')))
    assert.ok(denies('git push **', words('git push')))
  })

  it('is the name of a program and patterns of arguments, never a path', () => {
    for (const text of ['git', 'git status', 'g++ -o *', '*', 'python3.12']) assert.ok(isProgramPattern(text), text)
    for (const text of ['', ' ', '/bin/git', './git', 'git;id', '-x', 'git\nstatus', '$(id)']) assert.ok(!isProgramPattern(text), text)
  })
})

describe('the lists of [exec]', () => {
  const sandbox = () =>
    createFakeSandbox(new Map(), { run: async ({ program, command }) => ({ stdout: program?.argv.join(' ') ?? command }) })
  const open = (config: object, tools: string[][] = [], input: Json = { binary: 'git', args: ['log'] }) => {
    const steps = [asks(['exec_run', input]), says('done')]
    const play = (request: GenerateRequest) => {
      tools.push(request.tools.map(({ name }) => name))
      return steps.shift() ?? says('done')
    }
    const all = { approval: { privileged: 'allow' }, ...config }
    return openFixture({ config: all, calls: [execRun, shellExec], sandbox: sandbox(), play })
  }
  const run = { binary: 'git', args: ['log'] }

  it('offer exec.run to a model once something is allowed, also by a person while it works', async () => {
    const tools: string[][] = []
    await using guest = await open({}, tools)
    await guest.turn('one')
    const refused = await guest.record(({ name, phase }) => phase === 'refused' && name.startsWith('exec'))
    assert.match(JSON.stringify(refused.body), /the allow list is empty.*oxbow exec allow/)
    assert.ok(tools[0]!.includes('shell_exec') && !tools[0]!.includes('exec_run'))
    const changed = await guest.kernel.call('exec.change', { allow: ['git log **'] })
    assert.deepEqual(changed.status === 'ok' && changed.output, { allow: ['git log **'], deny: [] })
    await guest.turn('two')
    assert.ok(tools.at(-1)!.includes('exec_run'))
    assert.equal((await guest.kernel.call('exec.run', run)).status, 'ok')
    await guest.kernel.call('exec.change', { deny: ['git log'] })
    assert.equal((await guest.kernel.call('exec.run', run)).status, 'refused')
    assert.equal((await guest.kernel.call('exec.change', { remove: ['git log', 'git log **'] })).status, 'ok')
    assert.equal((await guest.kernel.call('exec.change', { remove: ['git log'] })).status, 'failed')
    assert.equal((await guest.kernel.call('exec.change', { allow: ['/bin/sh'] })).status, 'refused')
    await guest.turn('three')
    assert.ok(!tools.at(-1)!.includes('exec_run'))
  })

  it('allow no more than the configuration does where only_tighten holds it, whatever a person adds, now or before', async () => {
    const exec = { allow: ['git status'] }
    const store = await openMemoryStore({ user })
    {
      await using before = await openFixture({
        config: { exec },
        store: { ...store, close: async () => {} },
        calls: [execRun],
        sandbox: sandbox(),
      })
      assert.equal((await before.kernel.call('exec.change', { allow: ['git log **'] })).status, 'ok')
      assert.equal((await before.kernel.call('exec.run', run)).status, 'ok')
    }
    await using guest = await openFixture({ config: { exec, only_tighten: ['exec'] }, store, calls: [execRun], sandbox: sandbox() })
    assert.equal((await guest.kernel.call('exec.run', run)).status, 'refused')
    const changed = await guest.kernel.call('exec.change', { allow: ['git'] })
    assert.match(JSON.stringify(changed), /only_tighten in the configuration holds exec\.allow/)
    assert.equal((await guest.kernel.call('exec.change', { deny: ['git status'], remove: ['git log **'] })).status, 'ok')
    assert.equal((await guest.kernel.call('exec.run', { binary: 'git', args: ['status'] })).status, 'refused')
  })

  it('turn shells off, and stop commands that hold what is denied', async () => {
    {
      const tools: string[][] = []
      await using guest = await open({ exec: { shell: false, allow: ['git log'] } }, tools)
      await guest.turn('one')
      assert.ok(tools[0]!.includes('exec_run') && !tools[0]!.includes('shell_exec'))
      const refused = await guest.kernel.call('shell.exec', { command: 'git log' })
      assert.match(refused.text, /shells are off.*shell = true under \[exec\]/)
    }
    await using guest = await open({ exec: { deny: ['git push', 'curl'] } })
    for (const command of ['git push', 'cd x&&git -C y push', '/usr/bin/curl x', 'a | "curl" b', '$(curl x)'])
      assert.equal((await guest.kernel.call('shell.exec', { command })).status, 'refused', command)
    assert.equal((await guest.kernel.call('shell.exec', { command: 'git pull' })).status, 'ok')
  })

  it('let a call set only the variables that are named', async () => {
    await using guest = await open({ exec: { allow: ['git'], env: ['LC_*'] } })
    assert.equal((await guest.kernel.call('exec.run', { ...run, env: { LC_ALL: 'C' } })).status, 'ok')
    for (const name of ['PATH', 'GIT_SSH_COMMAND', 'TZ']) {
      const refused = await guest.kernel.call('exec.run', { ...run, env: { [name]: 'x' } })
      assert.match(refused.text, new RegExp(`may not set the variable ${name}`))
    }
  })
})
