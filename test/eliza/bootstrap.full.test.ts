/** plugin-bootstrap 1.7.2 behind our runtime object: its actions, providers, evaluator and services. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { elizaPackages, entriesOf, type FakeGuest, messageOf, openFakeGuest } from './eliza-packages-fixture.ts'

const reflection = `<response><thought>She likes boats.</thought><facts>
<fact><claim>Ann owns a red boat</claim><type>fact</type><in_bio>false</in_bio><already_known>false</already_known></fact>
</facts><relationships><relationship><sourceEntityId>ann</sourceEntityId><targetEntityId>Ada</targetEntityId><tags>talks</tags></relationship></relationships></response>`

describe('plugin-bootstrap 1.7.2', () => {
  let guest: FakeGuest
  const prompts: string[] = []
  before(async () => {
    await elizaPackages()
    guest = await openFakeGuest({
      entries: entriesOf('plugin-sql', 'plugin-bootstrap'),
      settings: { character: { name: 'Ada', bio: ['Ada sails.'], system: 'You are Ada.', topics: ['boats'] } },
      model({ text }) {
        prompts.push(text)
        if (/<facts>|# Task: Generate Agent Reflection/i.test(text)) return reflection
        if (/should (start|stop) .*(following|muting)|respond with .*yes/is.test(text)) return 'yes'
        return '<response><thought>I greet.</thought><text>Hello Ann, I am Ada.</text></response>'
      },
    })
  })
  after(() => guest.close())
  const act = (name: string, text: string) => guest.ask('action', { name, input: {}, message: messageOf(text), state: {} })
  const provide = async (names: readonly string[], text = 'Hello') => {
    const { provided } = await guest.ask('provide', { names, message: messageOf(text), state: {} })
    return Object.fromEntries(provided.map((one) => [one.name, one]))
  }

  it('has 13 actions, 16 providers, 1 evaluator and 2 services', async () => {
    const found = await guest.ask('describe', {})
    assert.equal(found.actions.length, 13)
    assert.equal(found.providers.length, 16)
    assert.deepEqual(found.evaluators, [{ name: 'REFLECTION', description: found.evaluators[0]?.description, always: false }])
    assert.deepEqual(
      found.services.map(({ type }) => type),
      ['task', 'embedding-generation'],
    )
    assert.equal(found.events.length, 15)
  })
  it('replies by a model of Oxbow, with the words of the character', async () => {
    const reply = await act('REPLY', 'Good morning!')
    assert.equal(reply.ok, true)
    assert.match(reply.text, /Hello Ann, I am Ada\./)
    assert.match(prompts.at(-1) ?? '', /Ada sails\./)
    const asked = guest.calls.findLast(({ name }) => name === 'model.complete')
    assert.equal(asked?.input['system'], 'You are Ada.')
  })
  it('provides texts with what it knows of the conversation', async () => {
    await act('REPLY', 'My boat is red.')
    const all = (await guest.ask('describe', {})).providers.map(({ name }) => name)
    const provided = await provide(all)
    assert.deepEqual(
      Object.values(provided).filter(({ problem }) => problem !== ''),
      [],
    )
    assert.match(provided['TIME']?.text ?? '', /current date and time/)
    assert.match(provided['CHARACTER']?.text ?? '', /Ada sails/)
    assert.match(provided['RECENT_MESSAGES']?.text ?? '', /ann: My boat is red\./)
    assert.match(provided['ACTIONS']?.text ?? '', /REPLY/)
    assert.match(provided['ENTITIES']?.text ?? '', /ann/i)
    assert.match(provided['PROVIDERS']?.text ?? '', /FACTS/)
  })
  it('follows a room and mutes it, and keeps that', async () => {
    assert.equal((await act('FOLLOW_ROOM', 'Ada, please follow this room')).ok, true)
    assert.equal(guest.calls.findLast(({ input }) => input['method'] === 'setParticipantUserState')?.input['args'] !== undefined, true)
    // A followed room cannot be followed again: the action itself says so.
    const again = await act('FOLLOW_ROOM', 'Ada, please follow this room')
    assert.deepEqual([again.ok, again.text], [false, 'FOLLOW_ROOM cannot be used for this message.'])
    assert.equal((await act('UNFOLLOW_ROOM', 'Ada, stop following this room')).ok, true)
    assert.equal((await act('MUTE_ROOM', 'Ada, mute this room')).ok, true)
    assert.equal((await act('UNMUTE_ROOM', 'Ada, unmute this room')).ok, true)
  })
  it('ignores and does nothing without asking a model', async () => {
    const asked = prompts.length
    assert.equal((await act('IGNORE', 'ok')).ok, true)
    assert.equal((await act('NONE', 'ok')).ok, true)
    assert.equal(prompts.length, asked)
  })
  it('says that a picture cannot be made: Oxbow has no model for one', async () => {
    const picture = await act('GENERATE_IMAGE', 'Draw a boat')
    assert.equal(picture.ok, false)
    assert.match(picture.text, /Image generation failed/)
  })
  it('reflects on what was said, by a model of Oxbow', async () => {
    const message = messageOf('I own a red boat.')
    const responses = [messageOf('A fine colour!')]
    const { ran } = await guest.ask('evaluate', { name: 'REFLECTION', message, did_respond: true, responses, state: {} })
    assert.equal(ran, true)
    assert.match(prompts.at(-1) ?? '', /I own a red boat\./)
    // Of the nested answer @elizaos/core 1.7.2 reads flat keys alone, and plugin-bootstrap finds no facts in it. One that is kept is found.
    assert.match((await provide(['FACTS']))['FACTS']?.text ?? '', /No facts available/)
  })
  it('starts both services, and their health is known', async () => {
    await guest.ask('service', { type: 'task' })
    await guest.ask('service', { type: 'embedding-generation' })
    assert.deepEqual([...guest.adapter.services()].toSorted(), ['embedding-generation', 'task'])
  })
  it('gets events of Oxbow', async () => {
    await guest.ask('event', { name: 'ENTITY_LEFT', payload: { entityId: 'nobody', worldId: 'nowhere', source: 'oxbow' } })
    await guest.ask('event', { name: 'MESSAGE_SENT', payload: { message: messageOf('sent') as never } })
  })
})
