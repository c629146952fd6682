import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AskedTerms } from '../../text-engine.ts'
import { createLocalTextEngine } from '../../thread/create-text-engine.ts'
import { readQuestion } from '../../text/read-question.ts'
import { termsOf } from '../../text/terms.ts'
import { openBuiltInWords } from '../built-in-words.ts'
import { namesIn } from './known-words.ts'

const terms = (text: string, context = ''): { terms: string; context: string } => ({
  terms: termsOf(text).join(' '),
  context: termsOf(context).join(' '),
})
const asked = (question: string): AskedTerms => ({ question, terms: readQuestion(question).terms })
const closenessOf = async (question: string, ...texts: readonly (string | readonly [string, string])[]): Promise<readonly number[]> => {
  const passages = texts.map((each) => (typeof each === 'string' ? terms(each) : terms(each[1], each[0])))
  const closeness = await openBuiltInWords().closeness?.(asked(question), passages)
  assert.ok(closeness !== undefined && closeness !== null)
  return closeness
}

void describe('closeness word by word', () => {
  void it('is greatest for the same words, then for near ones, then for others', async () => {
    const [same, near, other] = await closenessOf(
      'Which doctor did she visit?',
      'She visits the doctor tomorrow.',
      'The nurse at the hospital was kind.',
      'We painted the fence green.',
    )
    assert.ok(same !== undefined && near !== undefined && other !== undefined)
    assert.ok(same > 0.95 && same > near && near > other, `${same} ${near} ${other}`)
  })

  void it('finds words again that lost their endings in the index', async () => {
    const [dancing, baking] = await closenessOf('Does she like ballet?', 'She went dancing.', 'She was baking.')
    assert.ok((dancing ?? 0) > (baking ?? 0))
  })

  void it('counts what stood before, less than the text itself', async () => {
    const [own, before, none] = await closenessOf(
      'What is the name of the kitten?',
      'The kitten is called Miso.',
      ['What about the kitten?', 'It is Miso.'],
      'It is Miso.',
    )
    assert.ok((own ?? 0) > (before ?? 0) && (before ?? 0) > (none ?? 0))
  })

  void it('counts light words less than what a question is about', async () => {
    const [light, matter] = await closenessOf('Which bread did she decide on?', 'They decide on it.', 'It is bread.')
    assert.ok((matter ?? 0) > (light ?? 1), `${matter} ${light}`)
  })

  void it('counts a second word that is near, and not where the word itself stands', async () => {
    const [two, one] = await closenessOf('Which doctor?', 'The nurse and the physician.', 'The physician and the fence.')
    assert.ok((two ?? 0) > (one ?? 1), `${two} ${one}`)
    assert.deepEqual(await closenessOf('Which doctor?', 'The doctor and the nurse.', 'The doctor and the fence.'), [1, 1])
  })

  void it('counts a word less when something near it stands in every passage', async () => {
    const share = async (others: string): Promise<number> => {
      const [paddle = 0] = await closenessOf('Does the doctor paddle?', 'We paddle.', ...Array.from({ length: 40 }, () => others))
      return paddle
    }
    const [nurses, fences] = [await share('The nurse slept.'), await share('The fence fell.')]
    assert.ok(nurses > fences + 0.02, `${nurses} ${fences}`)
  })

  void it('takes a name for nothing but itself', async () => {
    const [rosa, maria] = await closenessOf('What does Rosa cook?', 'Rosa cooks soup.', 'Maria cooks soup.')
    const [lower, other] = await closenessOf('what does rosa cook?', 'Rosa cooks soup.', 'Maria cooks soup.')
    assert.ok((rosa ?? 0) - (maria ?? 0) > (lower ?? 0) - (other ?? 0))
  })

  void it('says nothing of a question in a language that the table does not know, nor of one without words', async () => {
    const { closeness } = openBuiltInWords()
    assert.equal(await closeness?.(asked('우리 고양이 이름이 뭐야?'), [terms('고양이 이름은 미소야')]), null)
    const engine = createLocalTextEngine({ embedder: 'none' })
    assert.equal(await engine.closeness(asked('Which doctor?'), [terms('the doctor')]), null)
    await engine.close()
  })

  void it('is from 0 to 1 for any text, one for each passage', async () => {
    const { closeness } = openBuiltInWords()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), async (odd, texts) => {
        const found = await closeness?.(
          asked(`${odd} river`),
          texts.map((text) => terms(text, odd)),
        )
        if (found === null || found === undefined) return
        assert.equal(found.length, texts.length)
        for (const each of found) assert.ok(each >= 0 && each <= 1, String(each))
      }),
      { numRuns: 50 },
    )
  })
})

void describe('names in a question', () => {
  void it('are words with a capital inside a sentence', () => {
    assert.deepEqual([...namesIn("Where did Anna-Maria meet Tom's brother in New York?")], ['anna-maria', 'tom', 'new', 'york'])
    assert.deepEqual([...namesIn('Where was it? Paris.')], [])
  })

  void it('are none where every word has one', () => {
    assert.deepEqual([...namesIn('WHERE DID ANNA GO')], [])
    assert.deepEqual([...namesIn('The History Of The World')], [])
  })
})
