/** The thread that reads texts: how long it takes for a passage, a question and a vector, and what it costs to have it. */
import { createTextEngine } from '../../src/memory/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, megabytes, ms, shown } from '../report.ts'
import { measureFoundByMeaning } from './found-by-meaning.ts'
import { median } from '../statistics.ts'

const sentence = 'On the third of May Ada bought two oxen near the river, because the old ones were tired of ploughing. '
const message = sentence.repeat(3)
const page = sentence.repeat(200)
const question = 'What did Ada buy near the river, and when did she go there?'
const rounds = 200
const batch = 64

export const text: Measure = {
  name: 'text',
  title: 'Words and vectors',
  how: 'The text thread, asked from the main thread one question at a time: times include the way there and back. Memory is what the process grows by.',
  async run() {
    const before = process.memoryUsage().rss
    const engine = createTextEngine({ embedder: 'words-50k' })
    try {
      const began = performance.now()
      await engine.terms('ox')
      const startMs = performance.now() - began
      const started = process.memoryUsage().rss
      const opened = performance.now()
      await engine.embed(['ox'])
      const openMs = performance.now() - opened
      const tableBytes = process.memoryUsage().rss - started
      const asked = [{ text: page, format: 'text', before: '' } as const]
      const passages = (await engine.cut(asked))[0]!.passages.length
      const cutMs = (await timed(() => engine.cut(asked))) / passages
      const termsMs = await timed(() => engine.terms(message))
      const readMs = await timed(() => engine.read(question))
      const oneMs = await timed(() => engine.embed([message], 'query'))
      const eachMs = (await timed(() => engine.embed(Array.from({ length: batch }, () => message)))) / batch
      return [
        shown('a passage cut and its terms made, p50', ms(cutMs), `${passages} passages at once`),
        shown('terms of a message of 300 characters, p50', ms(termsMs)),
        shown('a question read, p50', ms(readMs)),
        shown('one vector, p50', ms(oneMs)),
        bounded(`a vector, of ${batch} at once, p50`, ms(eachMs), '', '≤ 0.1 ms', eachMs <= 0.1),
        shown('thread started, first answer', ms(startMs), 'from source; the bundle has no types to strip'),
        shown('table of words opened, first vector', ms(openMs), megabytes(tableBytes)),
        ...(await measureFoundByMeaning()),
        shown('memory of the thread after all this', megabytes(process.memoryUsage().rss - before)),
      ]
    } finally {
      await engine.close()
    }
  },
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const took: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now()
    await work()
    took.push(performance.now() - began)
  }
  return median(took)
}
