/** Each examination of the sandbox with its fault planted: hands that answer as a sandbox with a hole would, and a machine with nothing on it. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Hands } from '../../protocol/index.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { browserAttempt, insideUses, limitsAttempt } from './inside-attempts.ts'
import { attempt, type Finding, tierAttempts } from './tier-attempts.ts'
import { diskAttempt } from './workspace-attempts.ts'

/** @param outputs of commands, in order */
function handsWith(...outputs: readonly string[]): Hands {
  const left = [...outputs]
  const answers: Readonly<Record<string, () => object>> = {
    exec: () => ({ stdout: left.shift() ?? '', stderr: '' }),
    sessionOpen: () => ({ id: '1', terminal: false }),
    sessionClose: () => ({}),
  }
  return { ask: (op: string) => Promise.resolve(answers[op]!()) } as unknown as Hands
}

const refusal = 'HTTP/1.1 403 Forbidden\r\n'

describe('what is tried inside the sandbox', () => {
  const faults: readonly (readonly [name: string, hands: Hands, finding: Pick<Finding, 'state'> & { readonly says: RegExp }])[] = [
    ['system calls', handsWith('0\n'), { state: 'missing', says: /filter of system calls is not on/ }],
    ['system calls', handsWith('1\nmade\n'), { state: 'missing', says: /filter of system calls is not on/ }],
    ['sockets', handsWith('open'), { state: 'missing', says: /can reach the host of this machine/ }],
    ['sockets', handsWith('untried\n'), { state: 'weak', says: /was not tried/ }],
    ['privileges', handsWith('Uid: 0 0 0 0 CapEff: 0000000000000000 NoNewPrivs: 1 '), { state: 'missing', says: /keep privileges/ }],
    ['privileges', handsWith('Uid: 7 7 7 7 CapEff: 0000000000200000 NoNewPrivs: 1 '), { state: 'missing', says: /keep privileges/ }],
    ['privileges', handsWith('Uid: 7 7 7 7 CapEff: 0000000000000000 NoNewPrivs: 0 '), { state: 'missing', says: /keep privileges/ }],
    ['terminals', handsWith(), { state: 'weak', says: /have pipes/ }],
    ['way out', handsWith('open\n', refusal), { state: 'missing', says: /without the proxy/ }],
    ['way out', handsWith('', ''), { state: 'missing', says: /does not answer/ }],
    ['way out', handsWith('', 'HTTP/1.1 200 OK\r\n'), { state: 'missing', says: /does not answer/ }],
  ]

  it('is found where it is wrong, with what to do', async () => {
    for (const [name, hands, { state, says }] of faults) {
      const found = await insideUses.find((each) => each.name === name)!.use(hands)
      assert.equal(found.state, state, name)
      assert.match(found.says, says)
      assert.notEqual(found.fix, '', name)
    }
    assert.deepEqual(
      [...new Set(faults.map(([name]) => name))],
      insideUses.map(({ name }) => name),
    )
  })
})

describe('a machine with nothing on it', () => {
  let root = ''
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'oxbow-bare-'))
    for (const name of ['shared', 'tmp']) await mkdir(join(root, name))
  })
  after(() => rm(root, { recursive: true }))

  it('has no tier, no browser, no limits and no bound of its disk, and each says what to install', async () => {
    const machine = { workspaceRoot: root, limits: testLimits, browser: testBrowser, imageFolder: root, searchPath: join(root, 'bin') }
    for (const each of [...tierAttempts(machine), browserAttempt(machine)]) {
      const { name, state, fix } = await attempt(each)
      assert.deepEqual([name, state], [each.name, 'missing'])
      assert.notEqual(fix, '', name)
    }
    for (const each of [limitsAttempt(join(root, 'bin')), diskAttempt(join(root, 'shared'), 100)]) {
      const { name, state, fix } = await attempt(each)
      assert.deepEqual([name, state], [each.name, 'weak'])
      assert.notEqual(fix, '', name)
    }
  })
})
