/** Whose matter a message is, by its words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definitePhrases, isRequest, namesInside, pointedAt, whoseMatter } from './message-cues.ts'

const messages: Readonly<Record<ReturnType<typeof whoseMatter>, readonly string[]>> = {
  personal: [
    'Where does my aunt live?',
    'Which of these did we pick?',
    'Remember the name of the plumber?',
    'when must I renew it?',
    'how do I like my steak?',
    'Who is Priya?',
    'Wie heißt mein Hund?',
  ],
  speaker: ['Who feeds the dog?', 'find a film for a night when I am alone', 'Is there anything that bites me in Norway?'],
  impersonal: [
    'what is a lighthouse?',
    'What is dark matter?',
    'How is paper made?',
    'how do you fold a shirt?',
    'Why do geese fly south?',
    'How many legs does a spider have?',
    'Who invented the telephone?',
    'what are the side effects of aspirin?',
    'How do I boil rice?',
    'When did the Roman empire fall?',
  ],
  plain: [
    'When are the annual fees due?',
    'which port does the gateway use?',
    'what does Bruno drive?',
    'rename the parser',
    'give me a list of primes',
  ],
}

for (const [whose, texts] of Object.entries(messages)) {
  test(`a message is ${whose}`, () => {
    for (const text of texts) assert.equal(whoseMatter(text), whose, text)
  })
}

test('a message points by names and by what stands behind "the", and not by the best of all', () => {
  assert.deepEqual(pointedAt('What does the gateway of Bruno need?'), ['gateway', 'of', 'Bruno', 'Bruno'])
  assert.deepEqual(pointedAt('Which is the largest lake?'), [])
  assert.deepEqual(namesInside('Bruno met Ida.'), ['Ida'])
  assert.deepEqual(definitePhrases('Who is the best man, and where is the ring?'), ['best man'])
})

test('a question about what must or may be done is about the person, unless it asks about everybody or for advice', () => {
  for (const text of ['Who has to sign the lease?', 'Until when may the hall be used?', 'Whose turn is it to sweep?'])
    assert.equal(whoseMatter(text), 'speaker', text)
  for (const text of ['How often must one water a fern?', 'do people have to tip?', 'What is the salt in bread used for?'])
    assert.notEqual(whoseMatter(text), 'speaker', text)
  assert.notEqual(whoseMatter('Which one should I buy?'), 'speaker')
  assert.equal(whoseMatter('On which days do lorries of the dairy come?'), 'plain')
})

test('what neither asks nor commands is no request', () => {
  assert.ok(isRequest('please move it'))
  assert.ok(isRequest('is it there'))
  assert.ok(!isRequest('My aunt lives in Turin.'))
})

test('a long message is read in time that grows with its length', () => {
  for (const part of ['how do I ', 'the a ', 'what is ', 'Ab ', 'we have '])
    assert.ok(['personal', 'speaker', 'impersonal', 'plain'].includes(whoseMatter(part.repeat(2_000 / part.length))))
})
