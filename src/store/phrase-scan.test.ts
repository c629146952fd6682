import assert from 'node:assert/strict'
import { it } from 'node:test'
import { foldPhrase, matchPhrases } from './phrase-scan.ts'

it('finds a phrase in any case and width, and with characters in it that nobody sees', () => {
  const cases: readonly (readonly [phrase: string, text: string])[] = [
    ['istanbul 34', 'Kod: İSTANBUL 34'],
    ['İstanbul 34', 'kod: istanbul 34'],
    ['ısparta', 'ISPARTA'],
    ['STRASSE 12', 'straße 12'],
    ['straße 12', 'STRAẞE 12'],
    ['ΟΔΟΣ', 'οδοσαβ'],
    ['ΐδιο', 'ΐδιο'.toUpperCase()],
    ['quetzal', 'quet\u00adzal'],
    ['quetzal', 'q\u200bu\u2060e\ufefftzal'],
    ['que\u200dtzal', 'quetzal'],
    ['ﬁle 4711', 'FILE 4711'],
    ['ｐｉｎ 91', 'my\u00a0PIN\n91'],
  ]
  for (const [phrase, text] of cases) assert.ok(matchPhrases([foldPhrase(phrase)]).inText(text), `${phrase} in ${text}`)
})
