/** Where words stand in Postgres: rows of the words that are asked for, and the words of passages that have no rows yet. */
import type { UserId } from '../../../types/index.ts'
import { ask, type Ask } from '../../search/asking.ts'
import type { AskedText, TextRanking } from '../../search/memory-search.ts'
import { createWordRanking, type Occurrences } from '../../search/word-ranking.ts'
import { toStored } from '../postgres-session.ts'
import { createOpenWords } from './open-words.ts'
import { bucketPassages, eachPosting, firstOf, placeOf, weightOf } from './posting.ts'

/** The state's row is there, or there is nothing. */
type Row = readonly [what: 'end' | 'term' | 'passage', term: string, number: number, bytes: Uint8Array]

/**
 * One trip: how far the numbers go, the rows of words, and passages behind the full buckets that the thread does not know yet.
 * Each word is looked up by itself, whatever the planner knows of the user.
 */
const text = `with state as materialized (select next_passage, next_passage / ${bucketPassages} as open from memory_state where "user" = :user)
  select 'end', '', next_passage, cast('' as bytea) from state
  union all
  select 'term', t.term, t.bucket, t.postings from json_array_elements_text(cast(:terms as json)) w(value) cross join lateral
    (select term, bucket, postings from memory_posting
      where "user" = :user and term = w.value and bucket < (select open from state) offset 0) t
  union all
  (select 'passage', '', id, body from memory_passage
    where "user" = :user and id >= greatest(cast(:next as bigint), (select open * ${bucketPassages} from state)) order by id)`

export interface PostingRanking {
  readonly rank: TextRanking
  /** The only question that ranking these words will ask: who knows it may ask it before. */
  question(asked: AskedText): Ask
}

export function createPostingRanking(user: UserId): PostingRanking {
  const open = createOpenWords()
  const rankByWords = createWordRanking()
  const question = ({ terms }: AskedText): Ask => ({
    text,
    args: { user, terms: JSON.stringify(terms.map(toStored)), next: open.next() },
    arrays: true,
  })
  return {
    question,
    *rank(slots, filter, asked) {
      const { terms, contextWeight, limit } = asked
      if (terms.length === 0 || limit === 0 || slots.count() === 0) return []
      const rows = yield* ask<Row>(question(asked))
      const end = rows.find(([what]) => what === 'end')?.[2] ?? 0
      open.takeIn(
        rows.flatMap(([what, , id, body]) => (what === 'passage' ? [{ id, body }] : [])),
        end,
      )
      const byTerm = Map.groupBy(
        rows.filter(([what]) => what === 'term'),
        ([, term]) => term,
      )
      const words = terms.map<Occurrences>((term) => (seen) => {
        const see = (first: number) => (posting: number) => seen(first + placeOf(posting), weightOf(posting, contextWeight))
        for (const [, , bucket, bytes] of byTerm.get(term) ?? []) eachPosting(bytes, see(firstOf(bucket)))
        open.postings(term).forEach(see(open.first()))
      })
      return rankByWords(slots, filter, limit, words)
    },
  }
}
