/** Class terms: what nouns are stored with, and what a question about their class is searched by. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeClassTable, readClassTable } from './class-table.ts'
import { classTermsAsked, classTermsFor, classTermsOf, storedTermsOf } from './classes.ts'
import { termsOf } from './terms.ts'
import { classPart, wordPart } from './text-engine.ts'
import { maxClassTerms } from './text-limits.ts'

const matches = (question: string, text: string): boolean => {
  const asked = classTermsAsked(question, termsOf(question, 'asked'))
  return classTermsOf(termsOf(text)).some((term) => asked.includes(term))
}

test('a question that names a class or a kind matches a text that names a member', () => {
  assert.ok(matches('Which martial arts does Ada practise?', 'Mostly taekwondo, twice a week.'))
  assert.ok(matches('Which instrument does Ada play?', 'A theremin, I got it last Wednesday.'))
  assert.ok(matches('Where was Ada on vacation?', 'We came back from Lisbon yesterday.'))
  assert.ok(matches('Does Ada have pets?', 'An old greyhound moved in with us.'))
  assert.ok(!matches('Which instrument does Ada play?', 'We came back from Lisbon yesterday.'))
})

test('names of two words have classes, stop words and verbs have none', () => {
  assert.ok(classTermsOf(termsOf('We flew to Nova Scotia')).some((term) => classTermsFor('place').includes(term)))
  assert.deepEqual(classTermsOf(termsOf('I got it in the end, and they did get it')), classTermsOf(termsOf('end')))
})

test('stored terms are the terms of the text followed by its class terms, for any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const stored = storedTermsOf(text)
      assert.equal(wordPart(stored), termsOf(text).join(' '))
      assert.ok(classPart(stored) === '' || classPart(stored).split(' ').length <= maxClassTerms)
      assert.ok(
        classPart(stored) === '' ||
          classPart(stored)
            .split(' ')
            .every((term) => /^\^[^\s^]+$/u.test(term)),
      )
    }),
  )
})

test('a table returns what was encoded, and a damaged one is refused', () => {
  const classes = new Map([
    ['judo', new Set(['sport', 'art'])],
    ['nova scotia', new Set(['place'])],
    ['zoo', new Set(['place'])],
  ])
  const file = encodeClassTable(classes)
  const table = readClassTable(file)
  for (const [noun, each] of classes) assert.deepEqual(new Set(table.classesOf(noun)), each)
  for (const noun of ['', 'a', 'jud', 'judoka', 'zz']) assert.deepEqual(table.classesOf(noun), [])
  file[file.length - 1] = 0
  assert.throws(() => readClassTable(file), { code: 'bad_config' })
  assert.throws(() => readClassTable(file.subarray(0, 10)), { code: 'bad_config' })
})
