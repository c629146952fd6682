/** Slack, Discord and Telegram through the front door: the command line in a fresh home, its guest, its process of channels, the scripted model. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { type Home, openHome } from '../support/program.ts'
import { type Kind, kinds, openPlatform, optionsOf, type Platforms, tokenOf } from './platforms.ts'
import { eventually } from './rig.ts'

interface View {
  readonly name: string
  readonly state: string
  readonly why: string
  readonly account: string
  readonly console: string
}

const says = (match: string, ...texts: readonly string[]) => ({
  match,
  // Where it comes in pieces, each is long enough under way to be seen, also on a busy machine.
  steps: [{ events: texts.flatMap((text) => [{ text }, { delay_ms: texts.length > 1 ? 3_000 : 0 }]) }],
})

const turns = [
  says('good morning', 'Good ', 'morning, ', 'Ada.'),
  says('in the thread', 'From the thread.'),
  {
    match: 'write it',
    steps: [
      { events: [{ tool_call: { name: 'file_write', arguments: { path: '/shared/a.txt', text: 'hello' } } }] },
      { events: [{ text: 'Written.' }] },
    ],
  },
  {
    match: 'send me the chart',
    steps: [
      { events: [{ tool_call: { name: 'media_send', arguments: { path: '/shared/chart.bin', media_type: 'document' } } }] },
      { events: [{ text: 'Sent.' }] },
    ],
  },
  says('what is in the file', 'A file.'),
  says('over there', 'In the group.'),
]

/** What a console of each platform needs. */
const needs: Readonly<Record<Kind, RegExp>> = {
  telegram: /^$/,
  slack: /"socket_mode_enabled":true/,
  discord: /oauth2\/authorize\?client_id=\d+&scope=bot/,
}

async function viewOf(home: Home, kind: Kind): Promise<View> {
  const [view] = (await home.json<View[]>('channel', 'list')).flat().filter(({ name }) => name === kind)
  return view!
}

for (const kind of kinds)
  test(`${kind} through the command line: added, paired, spoken with, asked, paused, removed`, { timeout: 240_000 }, async () => {
    await using model = await startModel({ turns })
    await using fake = await openPlatform(kind)
    const { base_url: url } = model.config
    await using home = await openHome(
      `[model]\nprovider = "openai"\nname = "m"\nbase_url = "${url}"\n[approval.calls]\n"file.write" = "ask"\n[memory]\nembedder = "none"\n`,
    )
    // A token is never an argument, and what is wrong is said.
    const bare = await home.oxbow(['channel', 'add', kind])
    assert.notEqual(bare.exit, 0)
    assert.match(bare.err, /--token-stdin/)
    const wrong = await home.oxbow(['channel', 'add', kind, '--token-stdin', ...optionsOf(fake)], 'nonsense')
    assert.notEqual(wrong.exit, 0)
    assert.doesNotMatch(`${wrong.out}${wrong.err}`, /internal/)
    const broken = await home.oxbow(['channel', 'add', kind, '--token-stdin', ...optionsOf(fake)], '{ "token": "xoxb-secret')
    assert.notEqual(broken.exit, 0)
    assert.match(broken.err, /looks like JSON/)
    assert.doesNotMatch(`${broken.out}${broken.err}`, /secret"|xoxb/)
    const added = await home.oxbow(['channel', 'add', kind, '--token-stdin', ...optionsOf(fake)], tokenOf(fake))
    assert.equal(added.exit, 0, added.err)
    assert.match(added.out, new RegExp(`${kind} is connected as`))
    const view = await viewOf(home, kind)
    assert.deepEqual([view.state, view.why], ['up', ''])
    const logged = (await home.oxbow(['logs', '--json'])).out.split('\n').find((line) => line.includes(`${kind} is connected`))
    assert.match(logged ?? '', /"level":"info"/)
    assert.match(view.console, needs[kind])
    if (view.console !== '') assert.ok(added.out.includes(view.console.slice(0, 60)))
    for (const secret of Object.values(fake.settings.secrets)) assert.ok(!`${added.out}${added.err}`.includes(secret))

    const paired = await home.oxbow(['channel', 'pair', kind])
    const code = /\b([2-9A-Z]{4}-[2-9A-Z]{4})\b/.exec(paired.out)?.[1] ?? ''
    const { chat } = await fake.say({ from: 'ada', text: code })
    await eventually(() => fake.standing().find(({ text }) => text.includes('linked as owner')), 'the notice')

    // A reply grows by edits.
    await fake.say({ from: 'ada', text: 'good morning' })
    const reply = await eventually(() => fake.standing().find(({ text }) => text === 'Good morning, Ada.'), 'the answer')
    const states = fake.seen(reply.id)
    assert.equal(states[0], '…')
    assert.ok(states.length >= 3 && states.some((text) => text.length > 1 && text.length < 'Good morning, Ada.'.length), states.join('|'))

    // Commands of the menu.
    if ('menu' in fake && kind === 'discord') {
      assert.ok(fake.menu().includes('status') && fake.menu().includes('help'))
      ;(fake as Platforms['discord']).command('ada', 'status', '')
    } else if (kind === 'slack') (fake as Platforms['slack']).command('ada', 'status')
    else await fake.say({ from: 'ada', text: '/status' })
    await eventually(() => fake.standing().find(({ text }) => text.includes('runs here')), 'the status')

    // An approval by button.
    await fake.say({ from: 'ada', text: 'write it' })
    const question = await eventually(() => fake.standing().find(({ buttons }) => buttons.length > 0), 'the question')
    assert.match(question.text, /file\.write[\s\S]*\/shared\/a\.txt/)
    assert.match(await fake.press!(chat, question.id, question.buttons[0]![0]!.data, 'ada'), /Allowed/)
    await eventually(() => fake.standing().find(({ text }) => text === 'Written.'), 'the answer after the approval')

    // A thread is a session.
    const root = await fake.say({ from: 'ada', text: 'just talk', group: true })
    const thread = kind === 'slack' ? root.message : '77'
    await fake.say({ from: 'ada', text: 'over there', group: true, mention: true })
    await fake.say({ from: 'ada', text: 'in the thread', group: true, mention: true, thread })
    await eventually(() => fake.standing().find(({ text }) => text === 'In the group.'), 'the answer in the group')
    await eventually(() => fake.standing().find(({ text }) => text === 'From the thread.'), 'the answer in the thread')
    const sessions = (await home.json<{ readonly title: string }[]>('sessions')).flat()
    assert.equal(sessions.filter(({ title }) => title.startsWith(`${kind}:`)).length, 3)

    await sendsFiles(home, fake, model)
    await isManaged(home, fake, kind)
  })

/** Files both ways. */
async function sendsFiles(home: Home, fake: Platforms[Kind], model: Awaited<ReturnType<typeof startModel>>): Promise<void> {
  const sent = Buffer.from(createHash('sha512').update('chart').digest('hex').repeat(50))
  const [shared] = globSync(join(home.folder, 'users', '*', '**', 'shared'))
  writeFileSync(join(shared!, 'chart.bin'), sent)
  await fake.say({ from: 'ada', text: 'send me the chart' })
  await eventually(
    () => fake.standing().find(({ files }) => files.some(({ name, bytes }) => name === 'chart.bin' && bytes === sent.length)),
    'the file',
  )
  await fake.say({ from: 'ada', text: 'what is in the file', files: [{ name: 'in.txt', bytes: Buffer.from('their words') }] })
  await eventually(() => fake.standing().find(({ text }) => text === 'A file.'), 'the answer about the file')
  assert.match(JSON.stringify(model.requests.at(-1)), /in\.txt/)
}

/** What a person does with a channel. */
async function isManaged(home: Home, fake: Platforms[Kind], kind: Kind): Promise<void> {
  assert.match((await home.oxbow(['channel', 'pause', kind])).out, /paused/)
  await fake.say({ from: 'ada', text: '/help' })
  assert.match((await home.oxbow(['channel', 'resume', kind])).out, /is connected as/)
  assert.match((await home.oxbow(['channel', 'test', kind])).out, /is connected as/)
  const logged = await home.oxbow(['channel', 'log', kind])
  assert.match(`${logged.out}${logged.err}`, /Everything was delivered|reply|notice/)
  assert.match((await home.oxbow(['channel', 'retry', kind])).out, /Nothing was given up/)
  fake.revoke()
  const tested = await home.oxbow(['channel', 'test', kind])
  assert.match(`${tested.out}${tested.err}`, /refused by/)
  assert.match((await viewOf(home, kind)).why, /refused by/)
  assert.match((await home.oxbow(['channel', 'remove', kind])).out, /Removed/)
  assert.deepEqual((await home.json<View[]>('channel', 'list')).flat(), [])
}
