import { createLocalTextEngine } from '../../../src/memory/index.ts'
import { createRecall } from '../../../src/memory/recall/create-recall.ts'
import { nearEnough } from '../../../src/memory/recall/recalled.ts'
import { generateLifelike } from '../lifelike/make-lifelike.ts'
import { development } from './development.ts'
import { openTurnBed } from './turn-bed.ts'
const size = Number(process.argv[2] ?? 0)
const text = createLocalTextEngine({ embedder: 'words-50k' })
const talks: string[][] = []
if (size > 0) {
  let n = 0
  for (const d of generateLifelike(21, { dialogues: 9, questionsPerDialogue: 1 })) {
    let cur: string[] = []
    let s = -1
    for (const t of d.turns) {
      if (n >= size) break
      n++
      if (t.sitting !== s) {
        cur = []
        talks.push(cur)
        s = t.sitting
      }
      cur.push(t.text)
    }
  }
}
const set = development
const told = [...set.facts.map((f) => f.told), ...set.tongues.map((t) => t.told)]
const store = await openTurnBed(told, talks, text)
const recall = createRecall({ store: store.memory, text, now: Date.now })
const show = async (kind: string, q: string, want?: string) => {
  const found = await recall.recall({ text: q, filter: {}, limit: 8, tokens: 1000 })
  const near = nearEnough(found)
  const at = found.findIndex((f) => f.passage.text === want)
  const has = near.some((f) => f.passage.text === want)
  const top = found
    .slice(0, 4)
    .map(
      (f) =>
        `${f.why.closeness?.toFixed(2) ?? '-'}/${f.score.toFixed(2)}/${(f.why.textScore ?? 0).toFixed(1)}/${(f.why.vectorScore ?? 0).toFixed(2)}${f.passage.text === want ? '*' : ''}`,
    )
  console.log(
    kind,
    want === undefined ? (near.length ? 'FIRE' : 'ok') : has ? 'hit' : 'MISS',
    near.length,
    at,
    q.slice(0, 60),
    '|',
    top.join(' '),
    want === undefined && near.length ? '=> ' + near[0]!.passage.text.slice(0, 50) : '',
  )
}
for (const f of set.facts) {
  await show('direct', f.direct, f.told)
  await show('reword', f.reworded, f.told)
  if (f.task) await show('task', f.task, f.told)
}
for (const t of set.tongues) await show('tongue', t.ask, t.told)
for (const c of set.chores) await show('chore', c)
for (const c of set.tongueChores) await show('tchore', c)
await store.close()
await text.close()
