/** What a check of a character takes, from its text to what is in it and the prompt that it makes. */
import { characterPrompt, readCharacter } from '../../src/plugins/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'

const tries = 30
const limitMs = 20

/** @param conversations examples; most characters have a handful */
function fileOf(conversations: number): string {
  const texts = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, at) => `Entry ${at} says something about this character.`)
  const example = (at: number) => [
    { name: '{{user1}}', content: { text: `Question ${at} of somebody who wants to know more?` } },
    { name: 'Ada', content: { text: `Answer ${at}, in the style of the character.`, actions: ['REPLY'] } },
  ]
  return JSON.stringify({
    name: 'Ada',
    bio: texts(20),
    topics: texts(30),
    adjectives: texts(15),
    style: { all: texts(10), chat: texts(10), post: texts(10) },
    messageExamples: Array.from({ length: conversations }, (_, at) => example(at)),
  })
}

/** Nothing but fields that no form has, as many as a file holds. */
function unknownFields(): string {
  return JSON.stringify({ name: 'Ada', bio: 'x', ...Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [`key${at}`, 1])) })
}

export const characters: Measure = {
  name: 'characters',
  title: 'Characters',
  how: 'The text of a character is read and checked, and its prompt is composed for a message: the median and the slowest of 30 tries, after one.',
  async run() {
    const rows = []
    for (const [what, text] of [
      ['usual', fileOf(8)],
      ['large', fileOf(1_900)],
      ['hostile', unknownFields()],
    ] as const) {
      const times: number[] = []
      for (let at = -1; at < tries; at++) {
        const began = performance.now()
        const reading = await readCharacter(text)
        if (!reading.ok) throw new Error(reading.problems[0])
        characterPrompt(reading.read.character, { seed: String(at) })
        if (at >= 0) times.push(performance.now() - began)
      }
      const slowest = Math.max(...times)
      const size = `${Math.ceil(text.length / 1024)} KiB`
      const name = `check of a ${what} character, ${size}`
      const took = [ms(median(times)), `slowest ${ms(slowest)}`] as const
      // Nobody writes the last one but to be slow: reading its JSON takes most of the time.
      rows.push(what === 'hostile' ? shown(name, ...took) : bounded(name, ...took, `< ${limitMs} ms`, median(times) < limitMs))
    }
    return rows
  },
}
