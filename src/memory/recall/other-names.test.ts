/** By which names somebody is searched for, and what that finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOfRelatives, otherNames } from './other-names.ts'
import { openRecallBed } from './recall-fixture.ts'

test('somebody whom a message calls "my sister" has the name that a text gives the sister', () => {
  const told = ['My sister Rosa moved to Ghent.', 'Hugo came by, my best friend.', 'My aunt is called Nuria.', 'Well, my boss is ill.']
  assert.deepEqual(namesOfRelatives('What does my sister eat?', told), ['Rosa'])
  assert.deepEqual(namesOfRelatives('What is my best friend allergic to?', told), ['Hugo'])
  assert.deepEqual(namesOfRelatives("What's my aunt up to?", told), ['Nuria'])
  assert.deepEqual(namesOfRelatives('Is my boss back?', told), [])
  assert.deepEqual(namesOfRelatives('What does my sister Rosa eat?', told), [])
  assert.deepEqual(namesOfRelatives("Where does Ada's sister live?", told), [])
})

test("in a transcript somebody's own are the speaker's, and others name the owner", () => {
  const told = ['Ada: My brother Gordon says hello.', 'Tim: My brother Walter says hello.', "Tim: I met Ada's cousin Aisha."]
  assert.deepEqual(namesOfRelatives("Where does Ada's brother volunteer?", told), ['Gordon'])
  assert.deepEqual(namesOfRelatives("Where do Tim's brother and Ada’s cousin live?", told), ['Walter', 'Aisha'])
})

test('what is told of somebody by one name is found by another', () => {
  const told = ['Rebecca, whom everyone calls Bex, is off on Fridays.']
  assert.deepEqual(otherNames('When is Bex off?', told), ['Rebecca'])
  assert.deepEqual(otherNames('When is Marta off?', told), [])
})

test("a search for somebody's sister finds what memory has of her name", async () => {
  await using bed = await openRecallBed('words-50k')
  const others = ['Olga', 'Pavel', 'Nico', 'Stefan', 'Hugo', 'Clara', 'Samuel', 'Tessa', 'Walter', 'Aisha', 'Dylan'].map(
    (name) => `${name} cannot stand coriander.`,
  )
  await bed.keep(['My sister Rosa moved to Ghent.', ...others, 'Rosa cannot stand coriander.', 'My brother has a boat.'])
  const found = await bed.ask('Which herb does my sister dislike?')
  const texts = found.slice(0, 2).map(({ passage }) => passage.text)
  assert.deepEqual(texts, ['My sister Rosa moved to Ghent.', 'Rosa cannot stand coriander.'])
})
