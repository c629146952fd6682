/** What a turn is reminded of, over a real store and real recall. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId, Clock, SessionId } from '../../base/index.ts'
import { messageId } from '../keep/message-record.ts'
import { now, openRecallBed } from './recall-fixture.ts'
import type { Recall } from './recalled.ts'
import { createTurnRecall } from './turn-recall.ts'

const clock: Clock = { now: () => now, monotonicMs: () => 0 }
const session = 's2' as SessionId
const message = 'm1' as CallId
const facts = [
  'My sister moved to Lisbon last spring and works in a bakery there.',
  'The boiler in the cellar was repaired by a man from the county.',
  'We adopted an old greyhound, and the dog sleeps all day.',
  'The meeting about the garden is on Tuesdays.',
]

async function remindedOf(embedder: string, texts: readonly string[], said: string): Promise<readonly string[]> {
  await using bed = await openRecallBed(embedder)
  await bed.keep(texts)
  const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => bed.recall, limit: 8, tokens: 1_000 })
  return (await turns.recall({ session, text: said, oldest: '', message })).ids
}

test('a turn is reminded of what it is about, also in other words', async () => {
  assert.deepEqual((await remindedOf('words-50k', facts, 'Where does my sister live now?')).slice(0, 1), ['e0'])
  assert.deepEqual((await remindedOf('words-50k', facts, 'What kind of pet did we get?')).slice(0, 1), ['e2'])
  assert.deepEqual((await remindedOf('words-50k', facts.slice(2, 3), 'What kind of dog do we have?')).slice(0, 1), ['e0'])
})

test('a turn is not reminded of what only shares a word with it, or of whatever happens to be nearest', async () => {
  for (const chore of ['Fix the typo in src/main.ts and commit it.', 'Convert this CSV to JSON.', 'Is 7919 a prime number?']) {
    assert.deepEqual(await remindedOf('words-50k', facts, chore), [], chore)
  }
})

test('an identifier that stands there exactly is told, however little else does', async () => {
  const told = await remindedOf(
    'words-50k',
    [...facts, 'It is ORD-48213.'],
    'Please compare the whole pricing table of the order list with ORD-48213',
  )
  assert.deepEqual(told.slice(0, 1), ['e4'])
})

test('without a table of words, and in a language that it does not know, a word in common is enough', async () => {
  assert.deepEqual((await remindedOf('none', facts, 'Is the boiler warm?')).slice(0, 1), ['e1'])
  const korean = ['우리 고양이는 소파에서 잠을 잔다.', '회의는 화요일에 있다.']
  assert.deepEqual((await remindedOf('words-50k', korean, '고양이 이름이 뭐야?')).slice(0, 1), ['e0'])
})

test('memory is asked once for a message, also where it tells another name of somebody', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep(['My colleague Katharina is called Kit by all of us.', 'Katharina is allergic to hazelnuts.', ...facts])
  const asked: string[] = []
  const recall: Recall = { recall: (question) => (asked.push(question.text), bed.recall.recall(question)) }
  const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => recall, limit: 8, tokens: 1_000 })
  const { ids } = await turns.recall({ session, text: 'What is Kit allergic to?', oldest: '', message })
  assert(ids.includes('e1'))
  assert.equal(asked.length, 1)
})

test('neighbours that were told together are not told again, whichever of them a later message is nearer to', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['My sister Clara plays the cello in Lisbon.', 'Every Tuesday she rehearses in the old church.'])
  const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => bed.recall, limit: 1, tokens: 1_000 })
  const first = await turns.recall({ session, text: 'Where does Clara play the cello?', oldest: '', message })
  assert.deepEqual(first.ids.slice(0, 1), ['e0'])
  assert.match(first.text, /old church/)
  assert.deepEqual((await turns.recall({ session, text: 'Rehearses on Tuesday in the old church?', oldest: '', message })).ids, [])
  const other = 's3' as SessionId
  assert.deepEqual(
    (await turns.recall({ session: other, text: 'Rehearses on Tuesday in the old church?', oldest: '', message })).ids.slice(0, 1),
    ['e1'],
  )
})

test('of its own session a turn is reminded of what was said before the window, and not of the message that the window begins with', async () => {
  await using bed = await openRecallBed('none')
  const calls = ['c0', 'c1', 'c2'] as CallId[]
  const texts = ['My sister Clara plays the cello in Lisbon.', 'Where does Clara play the cello?', 'Clara, the cello, in short?']
  await bed.keep(texts.map((text, i) => ({ text, id: messageId(calls[i]!, 'user'), session, stream: session })))
  const remindedFrom = async (oldest: CallId): Promise<readonly string[]> => {
    const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => bed.recall, limit: 8, tokens: 1_000 })
    return (await turns.recall({ session, text: 'And Clara, the cello?', oldest, message })).ids
  }
  assert.deepEqual(await remindedFrom(calls[0]!), [])
  assert.deepEqual(await remindedFrom(calls[1]!), ['message:c0'])
})

test('a message whose words are all common recalls nothing, and one with a rare word recalls something', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep([...Array.from({ length: 80 }, () => 'The hourly report: all is well.'), 'Clara plays the cello.'])
  const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => bed.recall, limit: 8, tokens: 1_000 })
  const ask = async (text: string) => (await turns.recall({ session, text, oldest: '', message })).ids
  assert.deepEqual(await ask('The hourly report: all is well.'), [])
  assert.equal((await ask('Does Clara play?'))[0], 'e80')
})

test('who reads one tag alone is reminded of nothing else, also when a search for everything has begun', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep([{ text: 'The lighthouse keeper is Barnaby.', tags: ['agent-alfred'] }, 'The lighthouse keeper is Clara.'])
  const turns = createTurnRecall({ memory: bed.store.memory, clock }, { recall: async () => bed.recall, limit: 8, tokens: 1_000 })
  const text = 'Who is the lighthouse keeper?'
  for (const ahead of [[], ['agent-alfred'], ['agent-other']]) {
    const asked = `s${ahead.join()}` as SessionId
    turns.foresee(asked, text, ahead)
    assert.deepEqual((await turns.recall({ session: asked, text, oldest: '', message, tags: ['agent-alfred'] })).ids, ['e0'])
  }
})

test('a search that began with the message answers its turn, and no other message', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['Clara plays the cello.', 'The boiler was repaired.'])
  const texts: string[] = []
  const counted: Recall = {
    recall(question) {
      texts.push(question.text)
      return bed.recall.recall(question)
    },
  }
  let at = now
  const later: Clock = { now: () => at, monotonicMs: () => 0 }
  const turns = createTurnRecall({ memory: bed.store.memory, clock: later }, { recall: async () => counted, limit: 8, tokens: 1_000 })
  turns.foresee(session, 'Does Clara play the cello?', [])
  // The turn waited for its place.
  at += 5_000
  assert.equal((await turns.recall({ session, text: 'Does Clara play the cello?', oldest: '', message })).ids[0], 'e0')
  assert.deepEqual(texts, ['Does Clara play the cello?'])
  const other = 's3' as SessionId
  turns.foresee(other, 'Does Clara play?', [])
  assert.equal((await turns.recall({ session: other, text: 'Was the boiler repaired?', oldest: '', message })).ids[0], 'e1')
})

test('where a search is not sure, a turn about the person’s own is given more than one, and no answer of a word', async () => {
  const many = [
    'I sing in the church choir on Sundays.',
    'My piano was tuned by a man called Otto.',
    'We keep the tent in the attic.',
    'My bicycle has a flat tyre.',
    'Our dentist is called Ruth.',
  ]
  assert.deepEqual(await remindedOf('words-50k', many, 'Who looks after my musical instrument?'), ['e1'])
  const unsure = await remindedOf('words-50k', many, 'Who looks after my teeth and my songs?')
  assert.ok(unsure.length > 1 && unsure.length <= 5, unsure.join())
  assert.deepEqual(await remindedOf('words-50k', many, 'What is our dentist called?'), ['e4'])
})

test('a question of light words alone is one, if it is about the person, and a name is a word whatever it is stemmed to', async () => {
  assert.ok((await remindedOf('words-50k', [...facts, 'I work at a mill near Ghent.'], 'Where do I work?')).includes('e4'))
  assert.deepEqual(
    (
      await remindedOf(
        'words-50k',
        ['Our daughter Ines has violin lessons with a teacher called Pawel.', ...facts],
        'Who teaches Ines the violin?',
      )
    ).slice(0, 1),
    ['e0'],
  )
})

test('what memory has of somebody under another name, of a misspelled word, and of what is so now, is given', async () => {
  const told = [
    ...facts,
    'My sister Rebecca, whom everyone calls Bex, lives in Harrogate.',
    "Rebecca's birthday is the 4th of May.",
    'The shed is locked with the code 4471.',
  ]
  assert.ok((await remindedOf('words-50k', told, "When is Bex's birthday?")).includes(`e${facts.length + 1}`))
  assert.ok((await remindedOf('words-50k', told, 'What is the code of our shde?')).includes(`e${facts.length + 2}`))
})
