/** Ranking by words in SQLite: FTS5 scores what matches, and the filter decides what of it counts. */
import type { UserId } from '../../../types/index.ts'
import { ask } from '../../search/asking.ts'
import { roundScore, type TextRanking } from '../../search/memory-search.ts'
import { createTop } from '../../search/top-slots.ts'
import type { Database } from '../sqlite-database.ts'
import { hasTextIndex, matchText, textTable } from './text-index.ts'

/** Rows that are asked for at first: those that the filter lets through are mostly among them. */
const spareRows = 64
/** All of them. */
const everyRow = 1_000_000_000

export function createTextRanking(database: Database, user: UserId): TextRanking {
  let hasIndex = false
  const table = textTable(user)
  // The first column is the scope, which finds and does not rank.
  const text = `select rowid, -bm25(${table}, 0.0, 1.0, :weight) as score from ${table} where ${table} match :match order by score desc limit :limit`
  return function* (slots, filter, asked) {
    hasIndex ||= hasTextIndex(database, user)
    const match = matchText(asked.terms, filter)
    if (!hasIndex || match === null || asked.limit === 0) return []
    const passes = slots.passing(filter)
    for (const limit of [asked.limit * 4 + spareRows, everyRow]) {
      const args = { weight: asked.contextWeight, match, limit }
      const rows = yield* ask<readonly [number, number]>({ text, args, arrays: true })
      const top = createTop(asked.limit, slots.goesFirst)
      let passed = 0
      let worst = Infinity
      for (const [passage, score] of rows) {
        const slot = slots.slotOf(passage)
        worst = roundScore(score)
        if (slot < 0 || worst <= 0 || !passes(slot)) continue
        passed++
        top.add(slot, worst)
      }
      const hits = top.taken()
      // Rows beyond the last may score as it did, and be newer: then all are looked at.
      const settled = passed >= asked.limit && (hits.at(-1)?.score ?? 0) > worst
      if (rows.length < limit || settled) return hits
    }
    return []
  }
}
