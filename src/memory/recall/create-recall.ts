/**
 * Recall: the entries of memory that match a question, best first.
 *
 * Reads the question; searches words and vectors in one request (one more for each part of a question that asks several things); fuses both
 * lists; compares candidates word by word; raises exact matches; adds recency and importance; puts ended entries last; merges duplicates;
 * fits the results into the token budget, with their neighbours.
 *
 * docs/memory.md, "How recall ranks", describes the ranking; docs/recall.md has what each step gains.
 */
import type { MemoryFound, MemoryStore } from '../../store/index.ts'
import { isOxbowError } from '../../base/index.ts'
import type { Recall, Recalled, RecallQuestion } from './recalled.ts'
import type { EmbedderFacts, TextEngine } from '../text/text-engine.ts'
import { type Candidate, fuseLists, inOrder, mergeParts } from './fuse-lists.ts'
import {
  boundTokens,
  collapse,
  type CountTokens,
  fitBudget,
  type Fitted,
  joinNeighbours,
  matchingSentences,
  passesFilter,
} from './fit-budget.ts'
import { addCloseness, addPriors, lowerUninformative, raiseAskedAbout, raiseExact, raiseSameTalk, speechReader } from './raise.ts'
import { askedDays } from './day-terms.ts'
import { namesOfRelatives } from './other-names.ts'
import { searchByNames, searchForTurn } from './turn-need.ts'
import {
  candidatesPerResult,
  minCandidates,
  contextWeight,
  joinedResults,
  maxParts,
  maxQuestionUnits,
  maxResults,
  maxTerms,
  maxCandidates,
  neighboursAfter,
  neighboursBefore,
  partCandidates,
  sameTalk,
} from './recall-limits.ts'

export interface RecallDeps {
  readonly store: Pick<MemoryStore, 'search' | 'beside'>
  readonly text: TextEngine
  /** Unix milliseconds. */
  readonly now: () => number
  /** Counts tokens. Absent: an upper estimate by characters. */
  readonly count?: CountTokens
}

/** One search: for the whole question or a part of it. */
interface Query {
  /** Length of each list. */
  readonly candidates: number
  readonly terms: readonly string[]
  /** Class terms: they find passages but do not count as terms of the question. */
  readonly classes: readonly string[]
  readonly vector: Float32Array<ArrayBuffer> | null
}

export function createRecall(deps: RecallDeps): Recall {
  const search = createSearch(deps)
  return {
    // A nickname brings others of that name along, which only a turn leaves out again.
    recall: (question) => (question.forTurn === true ? searchForTurn(search, question) : searchByNames(search, question, namesOfRelatives)),
  }
}

function createSearch(deps: RecallDeps): Recall {
  const readsOf = speechReader()
  return {
    async recall(question) {
      const text = question.text.slice(0, maxQuestionUnits).toWellFormed()
      const limit = Math.min(question.limit, maxResults)
      if (text.trim() === '' || limit < 1 || question.tokens < 1) return []

      // Read the question: terms, exact phrases, parts, and their vectors.
      const embedder = await deps.text.embedder()
      const { exact, queries } = await readAll(deps, { text, limit }, embedder)

      // Search for the whole question and each part concurrently.
      const searched = await Promise.all(queries.map((each) => searchOnce(deps, question, each, embedder)))
      if (searched[0]?.found.common === true) return []
      const at = question.filter.validAt ?? deps.now()
      const merged = mergeParts(searched.map(({ candidates }) => candidates))
      const closer =
        embedder === null || question.fusion === 'reciprocal_rank'
          ? merged
          : await addCloseness(merged, { question: text, terms: queries[0]?.terms ?? [] }, deps.text, embedder.weights.closeness)
      const likely = lowerUninformative(raiseAskedAbout(closer, text, readsOf), readsOf)
      // With several parts, a topic that was discussed at length would outrank the others.
      const fitting = searched.length > 1 ? likely : raiseSameTalk(likely, searched[0]?.found.apart ?? [])
      const ranked = addPriors(raiseExact(fitting, exact), at)

      // Sort and merge duplicates.
      const distinct = collapse(inOrder(ranked), limit)
      const count = deps.count ?? boundTokens
      const joined = await joinAll(deps, question, fitBudget(distinct, question.tokens, count), count)
      const found = joined.map((each) => asRecalled(each, deps.now()))
      if (question.withMatch !== true) return found
      const matches = await matchingSentences(
        deps.text,
        { question: text, terms: queries[0]?.terms ?? [] },
        found.map(({ passage }) => passage.text),
      )
      return found.map((each, i) => ({ ...each, match: matches[i] ?? '' }))
    },
  }
}

async function readAll(
  { text: engine, now }: RecallDeps,
  { text, limit }: Pick<RecallQuestion, 'text' | 'limit'>,
  embedder: EmbedderFacts | null,
): Promise<{ exact: readonly string[]; queries: readonly Query[] }> {
  const embed = async (texts: readonly string[]) => (embedder === null || texts.length === 0 ? [] : engine.embed(texts, 'query'))
  const [read, [vector]] = await Promise.all([engine.read(text), embed([text])])
  const parts = read.parts.length > 1 ? read.parts.slice(0, maxParts) : []
  const [ofParts, ofExact, vectors] = await Promise.all([
    Promise.all(parts.map((part) => engine.read(part))),
    read.exact.length === 0 ? '' : engine.terms(read.exact.join(' ')),
    embed(parts),
  ])
  const exactTerms = ofExact.split(' ')
  const terms = distinctTerms([...read.terms, ...exactTerms, ...askedDays(text, now())])
  const candidates = Math.min(maxCandidates, Math.max(minCandidates, limit * candidatesPerResult))
  const whole = { candidates, terms, classes: read.classes, vector: usable(vector) }
  const others = ofParts.map((part, i) => ({
    candidates: Math.ceil(candidates * partCandidates),
    terms: distinctTerms([...part.terms, ...askedDays(parts[i] ?? '', now())]),
    classes: part.classes,
    vector: usable(vectors[i]),
  }))
  return { exact: read.exact, queries: [whole, ...others] }
}

function distinctTerms(terms: readonly string[]): readonly string[] {
  return [...new Set(terms)].filter((term) => term !== '').slice(0, maxTerms)
}

/** A vector of zeros matches nothing. */
function usable(vector: Float32Array<ArrayBuffer> | undefined): Float32Array<ArrayBuffer> | null {
  return vector !== undefined && vector.some((value) => value !== 0) ? vector : null
}

async function searchOnce(
  { store }: RecallDeps,
  question: RecallQuestion,
  query: Query,
  embedder: EmbedderFacts | null,
): Promise<{ readonly candidates: readonly Candidate[]; readonly found: MemoryFound }> {
  const { candidates, terms, classes, vector } = query
  const { filter, fusion = 'weights' } = question
  if (terms.length === 0 && vector === null) return { candidates: [], found: nothing }
  const text = {
    terms: [...terms, ...classes],
    contextWeight,
    limit: candidates,
    // The classes of common words may be rare, and are no reason to search.
    ...(question.onlyRare === true && { onlyRare: terms }),
  }
  const byText = (): Promise<MemoryFound> => (terms.length === 0 ? Promise.resolve(nothing) : store.search({ filter, text, ...along }))
  let found: MemoryFound
  if (vector === null || embedder === null) found = await byText()
  else {
    try {
      const near = { model: embedder.id, vector, limit: candidates }
      found = await store.search(terms.length === 0 ? { filter, vector: near, ...along } : { filter, text, vector: near, ...along })
    } catch (error) {
      // No vectors of this model yet: search by words.
      if (!isOxbowError(error, 'bad_input')) throw error
      found = await byText()
    }
  }
  const weights = embedder?.weights ?? { text: 1, vector: 0 }
  return { candidates: fuseLists(found, { fusion, weights, terms, full: candidates }), found }
}

const along = { apart: Math.max(...sameTalk.keys()) }

const nothing: MemoryFound = { text: [], vector: [], passages: [] }

/** Joins neighbours to the first results, within the remaining budget. */
async function joinAll(
  { store }: RecallDeps,
  { filter }: RecallQuestion,
  { fitted, ...budget }: { readonly fitted: readonly Fitted[]; readonly left: number },
  count: CountTokens,
): Promise<readonly Fitted[]> {
  let { left } = budget
  const shown = new Set(fitted.map(({ candidate }) => candidate.passage.id))
  const first = fitted.slice(0, joinedResults)
  const inStreams = first
    .filter(({ candidate: { passage } }) => left > 0 && passage.entry.stream !== '')
    .map(({ candidate }) => candidate.passage.id)
  const beside = inStreams.length === 0 ? null : await store.beside(inStreams, neighboursBefore, neighboursAfter)
  const joined: Fitted[] = []
  for (const each of first) {
    const { id, entry } = each.candidate.passage
    const may = (beside?.get(id) ?? []).filter(
      // Only text with the same labels is joined.
      (passage) =>
        !shown.has(passage.id) &&
        passage.entry.labels.join() === entry.labels.join() &&
        passage.entry.kind === entry.kind &&
        passesFilter(passage.entry, filter),
    )
    const result = joinNeighbours(each, may, left, count)
    for (const passage of result.chosen) shown.add(passage.id)
    left -= result.used
    joined.push(result.fitted)
  }
  return [...joined, ...fitted.slice(joinedResults)]
}

function asRecalled({ candidate, text, joined = [] }: Fitted, now: number): Recalled {
  const { passage, textRank, textScore, vectorRank, vectorScore, closeness, exact, prior, standsFor, score, holds } = candidate
  const why = { textRank, textScore, vectorRank, vectorScore, closeness, exact, prior, standsFor }
  return { id: passage.entry.id, passage, text, match: '', joined, score, ageMs: Math.max(0, now - passage.entry.createdAt), holds, why }
}
