import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { openMemoryStore } from '../../store/index.ts'
import type { Json } from '../../base/index.ts'
import type { CallOutcome, Label } from '../../protocol/index.ts'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import { covers, describeRule, learnRule, type RuleScope } from './rules.ts'

const origin = { by: 'user:ada', at: 1, from: 'x' }
const learn = (scope: RuleScope, input: unknown, call = 'shell.exec', labels: readonly Label[] = []) =>
  learnRule(scope, { call, input, session: 's' as never, labels, content: ['text'] }, 'settings', origin)
const command = (text: string, more = {}) => ({ command: text, cwd: '/shared', stdin: '', timeout_s: 60, ...more })
const isCovered = (rule: ReturnType<typeof learn>, input: unknown, call = rule.call, session = 's', labels: readonly Label[] = []) =>
  covers(rule, { call, input, session: session as never, labels })

describe('a learned rule', () => {
  it('of a command covers its program and subcommand with plain arguments, in the same folder, for no longer', () => {
    const rule = learn('pattern', command('git status --short'))
    assert.match(describeRule(rule), /command "git status …" with no options but --short/)
    for (const same of ['git status', 'git  status src/a.ts', 'git status --short', 'git status src --short'])
      assert.ok(isCovered(rule, command(same)), same)
    for (const other of ['git push', 'git', 'gitstatus', 'git -c core.pager=x status', 'env git status', './git status', 'git status -s'])
      assert.ok(!isCovered(rule, command(other)), other)
    assert.ok(!isCovered(rule, command('git status', { cwd: '/tmp' })))
    assert.ok(!isCovered(rule, command('git status', { stdin: 'x' })))
    assert.ok(!isCovered(rule, command('git status', { timeout_s: 61 })))
    assert.ok(!isCovered(rule, { ...command('git status'), more: 1 }), 'a field that it does not name')
    assert.ok(!isCovered(rule, command('git status'), 'shell.online'), 'another call')
  })

  it('of a command covers no option that it did not have, nor another value of one', () => {
    for (const [learned, other] of [
      ['rg foo', 'rg foo --pre=sh x'],
      ['rg foo', 'rg foo --pre sh x'],
      ['git grep foo', 'git grep foo -Osh'],
      ['sort x', 'sort x --compress-program=sh'],
      ['sort --compress-program gzip x', 'sort --compress-program sh x'],
      ['sort --compress-program=gzip x', 'sort --compress-program=sh x'],
      ['sort -o a', 'sort -o b'],
      ['git log', 'git log --output=/shared/.bashrc'],
      ['go run ./a.go', 'go run ./b.go'],
      ['docker compose run a', 'docker compose run b'],
    ] as const) {
      const rule = learn('pattern', command(learned))
      assert.ok(isCovered(rule, command(learned)), learned)
      assert.ok(!isCovered(rule, command(other)), `${learned}: ${other}`)
    }
  })

  it('never covers a command in which bash would find more than words', () => {
    const rule = learn('pattern', command('git status'))
    const more = [
      '; rm -rf .',
      '&& x',
      '| sh',
      '$(x)',
      '`x`',
      '> /shared/a',
      '\nrm x',
      '\trm',
      '* ',
      '~',
      '{a,b}',
      "'a'",
      '"a"',
      '\\',
      '#',
      '!x',
      '\0',
    ]
    for (const part of more) assert.ok(!isCovered(rule, command(`git status ${part}`)), JSON.stringify(part))
  })

  it('of a program that runs its arguments or destroys, or that the agent can write, covers only this command', () => {
    for (const text of [
      'bash build',
      'python3 run',
      'sudo ls',
      'rm -rf build',
      'env ls',
      './build now',
      'A=1 ls',
      'ls; id',
      'npx x',
      'find a',
    ]) {
      const rule = learn('pattern', command(text))
      assert.equal(rule.fields.find(({ field }) => field === 'command')?.is, 'exact', text)
      assert.ok(isCovered(rule, command(text)))
      assert.ok(!isCovered(rule, command(`${text} more`)), text)
    }
  })

  it('of a file covers this path with any text, or with its folder whatever is below, and no path that leaves it', () => {
    const input = { path: 'notes/a.md', text: 'one', overwrite: false }
    const path = learn('pattern', input, 'file.write')
    assert.ok(isCovered(path, { ...input, text: 'two' }))
    assert.ok(!isCovered(path, { ...input, path: 'notes/b.md' }))
    assert.ok(!isCovered(path, { ...input, overwrite: true }))
    const folder = learn('folder', input, 'file.write')
    for (const inside of ['notes/b.md', '/shared/notes/c/d', '/shared//notes/./x'])
      assert.ok(isCovered(folder, { ...input, path: inside }), inside)
    for (const outside of ['notes/../a', '/shared/notes2/a', '/vault/notes/a', '../notes/a', '/shared/notes/../../etc', '/etc', '', 7])
      assert.ok(!isCovered(folder, { ...input, path: outside }), String(outside))
    assert.throws(() => learn('folder', { n: 1 }, 'test.act'), { code: 'bad_input' })
  })

  it('of this call covers one input in any order of its fields; of this session, no other', () => {
    const rule = learn('call', { a: { b: 1, c: [2] }, d: 'x'.repeat(1_000) }, 'test.act')
    assert.ok(isCovered(rule, { d: 'x'.repeat(1_000), a: { c: [2], b: 1 } }))
    assert.ok(!isCovered(rule, { d: 'x'.repeat(999), a: { c: [2], b: 1 } }))
    assert.ok(!isCovered(rule, JSON.parse('{"a":{"b":1,"c":[2],"__proto__":{}},"d":"x"}')))
    assert.ok(describeRule(rule).length < 200, 'a long value is shown as its digest')
    const here = learn('session', command('git log'))
    assert.ok(isCovered(here, command('git log main')))
    assert.ok(!isCovered(here, command('git log main'), 'shell.exec', 'other'))
  })

  it('covers the flow of labelled data only with the labels for which it was learned', () => {
    const plain = learn('call', { n: 1 }, 'test.act')
    const labelled = learn('call', { n: 1 }, 'test.act', ['private', 'untrusted'])
    assert.ok(!isCovered(plain, { n: 1 }, 'test.act', 's', ['private']))
    assert.ok(isCovered(labelled, { n: 1 }, 'test.act', 's', ['private', 'untrusted']))
    assert.notEqual(plain.id, labelled.id)
  })
})

const input = z.strictObject({ command: z.string(), cwd: z.string().default('/shared') })
const askFirst = { approval: { calls: { 'test.act': 'ask' } } }
const outputOf = (outcome: CallOutcome): Json => (outcome.status === 'ok' ? (outcome.output as Json) : assert.fail(outcome.text))
const codeOf = (outcome: CallOutcome): string => (outcome.status === 'ok' ? 'ok' : outcome.failure.code)

/** A kernel whose agent asks for these commands, one a turn. @returns it with what ran */
async function askingFor(commands: readonly string[], config: unknown = askFirst, more: object = {}) {
  const ran: string[] = []
  const act = testCall('test.act', async ({ command: text }: { command: string }) => (ran.push(text), done('acted')), {
    input,
    example: { command: 'ls', cwd: '/shared' },
  })
  const texts: string[] = []
  const steps = inOrder(...commands.flatMap((text) => [asks(['test_act', { command: text }]), says('done')]))
  const fixture = await openFixture({
    config,
    calls: [act],
    play: (request, signal) => {
      const [part] = request.messages.at(-1)?.parts ?? []
      if (part?.type === 'tool_result') texts.push(part.text)
      return steps(request, signal)
    },
    ...more,
  })
  return { fixture, ran, texts }
}

async function parkedCall({ record, events }: Fixture, nth = 1): Promise<string> {
  const count = (): number => events.filter((event) => event.type === 'record' && event.record.phase === 'parked').length
  return (
    (await record(({ phase }) => phase === 'parked' && count() >= nth)).call &&
    events.flatMap((event) => (event.type === 'record' && event.record.phase === 'parked' ? [event.record.call] : []))[nth - 1]!
  )
}

describe('approvals', () => {
  it('keep the rule that was shown, answer as it says, and ask again once it is revoked', async () => {
    const { fixture, ran } = await askingFor(['git status', 'git status src', 'git push', 'git status'])
    await using _ = fixture
    const { kernel } = fixture
    const first = fixture.turn('1')
    const call = await parkedCall(fixture)
    const [waiting] = outputOf(await kernel.call('approval.list', {})) as { rules: { scope: string; id: string; text: string }[] }[]
    const pattern = waiting!.rules.find(({ scope }) => scope === 'pattern')!
    assert.match(pattern.text, /test\.act with command "git status …" without options, cwd "\/shared"/)
    assert.equal(
      codeOf(await kernel.call('call.decide', { call, allow: true, remember: { scope: 'call', rule: pattern.id } })),
      'bad_input',
    )
    const decided = outputOf(await kernel.call('call.decide', { call, allow: true, remember: { scope: 'pattern', rule: pattern.id } }))
    assert.deepEqual(decided, { decided: true, rule: pattern.id, next: '' })
    await first
    await fixture.turn('2')
    assert.deepEqual(ran, ['git status', 'git status src'])
    const byRule = await fixture.record(({ phase, body }) => phase === 'decided' && (body as { by: string }).by.startsWith('rule:'))
    assert.equal((byRule.body as { by: string }).by, `rule:${pattern.id}`)

    const third = fixture.turn('3')
    await kernel.call('call.decide', { call: await parkedCall(fixture, 2), allow: false, reason: 'not today' })
    await third
    assert.deepEqual(outputOf(await kernel.call('approval.revoke', { rule: pattern.id })), { revoked: pattern.id })
    assert.equal(codeOf(await kernel.call('approval.revoke', { rule: pattern.id })), 'not_found')
    const fourth = fixture.turn('4')
    await kernel.call('call.decide', { call: await parkedCall(fixture, 3), allow: true })
    await fourth
    assert.deepEqual(ran, ['git status', 'git status src', 'git status'])
  })

  it('tell the model why a call was denied, and run an edited input that is checked like any', async () => {
    const { fixture, ran, texts } = await askingFor(['rm -r a', 'rm -r b'])
    await using _ = fixture
    const { kernel } = fixture
    const denied = fixture.turn('1')
    await kernel.call('call.decide', { call: await parkedCall(fixture), allow: false, reason: 'keep it until Friday' })
    await denied
    assert.match(texts[0]!, /The user refused this test\.act call, and said: keep it until Friday/)

    const edited = fixture.turn('2')
    const call = await parkedCall(fixture, 2)
    for (const wrong of [{ command: 7 }, { command: 'x', more: 1 }, 'x', null])
      assert.equal(codeOf(await kernel.call('call.decide', { call, allow: true, input: wrong as Json })), 'bad_input')
    assert.equal(codeOf(await kernel.call('call.decide', { call, allow: false, input: { command: 'x' } })), 'bad_input')
    assert.equal(codeOf(await kernel.call('call.decide', { call, allow: true, input: { command: 'ls b' } })), 'ok')
    await edited
    assert.deepEqual(ran, ['ls b'])
    assert.match(texts[1]!, /The user changed the input of this call\. It ran with \{"command":"ls b","cwd":"\/shared"\}\nacted/)
    const intent = await fixture.record((record) => record.phase === 'intent' && record.call === call)
    assert.deepEqual((intent.body as { input: Json }).input, { command: 'ls b', cwd: '/shared' })
  })

  it('run the edited input after a restart, too', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const first = await askingFor(['rm b'], askFirst, { store: keepOpen })
    void first.fixture.turn('1')
    const call = await parkedCall(first.fixture)
    const closing = first.fixture.kernel.close()
    await closing
    const second = await askingFor([], askFirst, { store, session: first.fixture.session, play: () => says('done') })
    await using _ = second.fixture
    assert.equal(codeOf(await second.fixture.kernel.call('call.decide', { call, allow: true, input: { command: 'ls' } })), 'ok')
    await second.fixture.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
    assert.deepEqual([first.ran, second.ran], [[], ['ls']])
  })

  it('are not given by a restart with a policy that no longer asks', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const first = await askingFor(['rm b'], askFirst, { store: keepOpen })
    void first.fixture.turn('1')
    const call = await parkedCall(first.fixture)
    await first.fixture.kernel.close()
    const allowed = { approval: { calls: { 'test.act': 'allow' } } }
    const second = await askingFor([], allowed, { store, session: first.fixture.session, play: () => says('done') })
    await using _ = second.fixture
    const asked = await second.fixture.record((record) => record.phase === 'parked' && /before a restart/.test(JSON.stringify(record.body)))
    assert.equal(asked.call, call)
    assert.deepEqual(second.ran, [])
    assert.equal(codeOf(await second.fixture.kernel.call('call.decide', { call, allow: true })), 'ok')
    await second.fixture.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
    assert.deepEqual([first.ran, second.ran], [[], ['rm b']])
  })

  it('of a call that two people must allow need two, once each', async () => {
    const config = { approval: { two_person: ['test.act'] } }
    const { fixture, ran } = await askingFor(['ls', 'ls'], config)
    await using _ = fixture
    const { kernel } = fixture
    const turn = fixture.turn('1')
    const call = await parkedCall(fixture)
    assert.equal(codeOf(await kernel.call('call.decide', { call, allow: true, remember: { scope: 'call' } })), 'bad_input')
    assert.equal((outputOf(await kernel.call('call.decide', { call, allow: true })) as { decided: boolean }).decided, false)
    assert.equal(codeOf(await kernel.call('call.decide', { call, allow: true })), 'denied')
    assert.deepEqual(ran, [])
    const [waiting] = outputOf(await kernel.call('approval.list', {})) as { allowed_by: string[] }[]
    assert.deepEqual(waiting!.allowed_by, ['user:ada'])
    await kernel.call('call.decide', { call, allow: false })
    await turn
    assert.deepEqual(ran, [])
  })

  it('expire when the configuration says so, with a warning before', async () => {
    const { fixture, ran, texts } = await askingFor(['ls'], { approval: { calls: { 'test.act': 'ask' }, expire_s: 1 } })
    await using _ = fixture
    await fixture.turn('1')
    assert.deepEqual(ran, [])
    assert.match(texts[0]!, /approval of this test\.act call expired: nobody decided within 1 s/)
    const page = outputOf(await fixture.kernel.call('events.next', { after: 0, kinds: ['approval_*'] })) as { events: { kind: string }[] }
    assert.deepEqual(
      page.events.map(({ kind }) => kind),
      ['approval_requested', 'approval_expiring', 'approval_resolved'],
    )
  })

  it('in mode auto only what is named asks; in mode manual no rule answers; a policy that denies wins over a rule', async () => {
    const auto = await askingFor(['ls'], { approval: { mode: 'auto', side_effecting: 'ask' } })
    await auto.fixture.turn('1')
    assert.deepEqual(auto.ran, ['ls'])
    await auto.fixture.kernel.close()

    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const learning = await askingFor(['ls'], askFirst, { store: keepOpen })
    const turn = learning.fixture.turn('1')
    const call = await parkedCall(learning.fixture)
    assert.equal(codeOf(await learning.fixture.kernel.call('call.decide', { call, allow: true, remember: { scope: 'call' } })), 'ok')
    await turn
    await learning.fixture.kernel.close()

    const denying = await askingFor(['ls'], { approval: { calls: { 'test.act': 'deny' } } }, { store: keepOpen })
    await denying.fixture.turn('2')
    await denying.fixture.kernel.close()
    // Another reach of the sandbox is another setting.
    for (const config of [{ ...askFirst, egress: { mode: 'strict' } }, { approval: { ...askFirst.approval, mode: 'manual' } }]) {
      const asking = await askingFor(['ls'], config, { store: keepOpen })
      void asking.fixture.turn('3')
      await parkedCall(asking.fixture)
      const [rule] = outputOf(await asking.fixture.kernel.call('approval.rules', {})) as { applies: boolean }[]
      assert.equal(rule!.applies, false)
      if ('mode' in config.approval) {
        // A rule would be kept for nothing where each call is asked about.
        const [waits] = outputOf(await asking.fixture.kernel.call('approval.list', {})) as { call: string; rules: readonly unknown[] }[]
        assert.deepEqual(waits!.rules, [])
        const kept = await asking.fixture.kernel.call('call.decide', { call: waits!.call, allow: true, remember: { scope: 'call' } })
        assert.equal(codeOf(kept), 'bad_input')
      }
      await asking.fixture.kernel.close()
      assert.deepEqual([denying.ran, asking.ran], [[], []])
    }
    await store.close()
  })
})
