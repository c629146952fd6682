/**
 * Recall: the entries of memory that match a question, best first.
 *
 * Reads the question; searches words and vectors in one request (one more for each part of a question that asks several things); fuses both
 * lists; compares candidates word by word; raises exact matches; adds recency and importance; puts ended entries last; merges duplicates;
 * fits the results into the token budget, with their neighbours.
 *
 * docs/memory.md, "How recall ranks", describes the ranking; docs/recall.md has what each step gains.
 */
import type { MemoryFound, MemorySearch, MemoryStore } from '../../store/index.ts'
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
import { namesOfRelatives, otherNames } from './other-names.ts'
import { isRequest } from './message-cues.ts'
import { readNeed } from './read-need.ts'
import { fitting, searchByNames } from './turn-need.ts'
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
  readonly store: Pick<MemoryStore, 'searchAll' | 'beside'>
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
    async recall(question) {
      // A nickname brings others of that name along, which only a turn leaves out again.
      const ofNames = question.forTurn === true ? otherNames : namesOfRelatives
      const found = question.hurried === true ? await search.recall(question) : await searchByNames(search, question, ofNames)
      // Most turns need nothing of what was found: neighbours are read for what they are given.
      const given = question.forTurn === true ? fitting(found, readNeed(question.text)) : found
      return joinAll(deps, question, given, found)
    },
  }
}

/** @returns a search whose results have no neighbours yet */
function createSearch(deps: RecallDeps): Recall {
  const readsOf = speechReader()
  return {
    async recall(question) {
      const text = question.text.slice(0, maxQuestionUnits).toWellFormed()
      const limit = Math.min(question.limit, maxResults)
      if (text.trim() === '' || limit < 1 || question.tokens < 1) return []

      // Read the question: terms, exact phrases, parts, and their vectors.
      const embedder = await deps.text.embedder()
      const { exact, queries } = await readAll(deps, { ...question, text, limit }, embedder)

      // Search for the whole question and each part together.
      const searched = await searchAll(deps, question, queries, embedder)
      if (searched[0]?.found.common === true) return []
      const at = question.filter.validAt ?? deps.now()
      const merged = mergeParts(searched.map(({ candidates }) => candidates))
      const closer =
        embedder === null || question.fusion === 'reciprocal_rank'
          ? merged
          : await addCloseness(merged, { question: text, terms: queries[0]?.terms ?? [] }, deps.text, embedder.weights.closeness)
      const likely = lowerUninformative(raiseAskedAbout(closer, text, readsOf), readsOf)
      // With several parts, a topic that was discussed at length would outrank the others.
      const raised = searched.length > 1 ? likely : raiseSameTalk(likely, searched[0]?.found.apart ?? [])
      const ranked = addPriors(raiseExact(raised, exact), at)

      // Sort and merge duplicates.
      const distinct = collapse(inOrder(ranked), limit)
      const count = deps.count ?? boundTokens
      const found = fitBudget(distinct, question.tokens, count).map((each) => asRecalled(each, deps.now()))
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
  { text, limit, forTurn, hurried = false }: Pick<RecallQuestion, 'text' | 'limit' | 'forTurn' | 'hurried'>,
  embedder: EmbedderFacts | null,
): Promise<{ exact: readonly string[]; queries: readonly Query[] }> {
  const embed = async (texts: readonly string[]) => (embedder === null || texts.length === 0 ? [] : engine.embed(texts, 'query'))
  const [read, [vector]] = await Promise.all([engine.read(text), embed([text])])
  // A message that tells several things, and asks and wants nothing, needs what is near it as a whole.
  const isWhole = hurried || (forTurn === true && !isRequest(text))
  const parts = read.parts.length > 1 && !isWhole ? read.parts.slice(0, maxParts) : []
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
    candidates: Math.ceil(candidates * Math.min(partCandidates, 1 / parts.length)),
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

interface Searched {
  readonly candidates: readonly Candidate[]
  readonly found: MemoryFound
}

async function searchAll(
  { store }: RecallDeps,
  question: RecallQuestion,
  queries: readonly Query[],
  embedder: EmbedderFacts | null,
): Promise<readonly Searched[]> {
  const { fusion = 'weights' } = question
  const weights = embedder?.weights ?? { text: 1, vector: 0 }
  const ask = async (model: string | null): Promise<readonly Searched[]> => {
    const searches = queries.map((query) => searchFor(question, query, model))
    const asked = searches.filter((search) => search !== null)
    const answers = (await store.searchAll(asked)).values()
    return queries.map(({ terms, candidates: full }, i) => {
      const found = searches[i] === null ? nothing : answers.next().value!
      return { candidates: fuseLists(found, { fusion, weights, terms, full }), found }
    })
  }
  try {
    return await ask(embedder?.id ?? null)
  } catch (error) {
    // No vectors of this model yet: search by words.
    if (embedder === null || !isOxbowError(error, 'bad_input')) throw error
    return ask(null)
  }
}

/** @param model of vectors; null: by words alone @returns null for what finds nothing */
function searchFor({ filter, onlyRare }: RecallQuestion, query: Query, model: string | null): MemorySearch | null {
  const { candidates: limit, terms, classes, vector } = query
  const hasVector = vector !== null && model !== null
  if (terms.length === 0 && !hasVector) return null
  // The classes of common words may be rare, and are no reason to search.
  const text = { terms: [...terms, ...classes], contextWeight, limit, ...(onlyRare === true && { onlyRare: terms }) }
  return { filter, ...along, ...(terms.length > 0 && { text }), ...(hasVector && { vector: { model, vector, limit } }) }
}

const along = { apart: Math.max(...sameTalk.keys()) }

const nothing: MemoryFound = { text: [], vector: [], passages: [] }

/** Joins neighbours to the first results, within the budget that all that was found leaves, and no passage twice. */
async function joinAll(
  { store, count = boundTokens }: RecallDeps,
  { filter, tokens }: RecallQuestion,
  given: readonly Recalled[],
  found: readonly Recalled[],
): Promise<readonly Recalled[]> {
  let left = found.reduce((sum, { text }) => sum - count(text), tokens)
  const shown = new Set(found.map(({ passage }) => passage.id))
  const first = given.slice(0, joinedResults)
  // All facts share a stream, but what was extracted before and after one has nothing to do with it.
  const inStreams = first
    .filter(({ passage: { entry } }) => left > 0 && entry.stream !== '' && entry.kind !== 'fact')
    .map(({ passage }) => passage.id)
  const beside = inStreams.length === 0 ? null : await store.beside(inStreams, neighboursBefore, neighboursAfter)
  const joined: Recalled[] = []
  for (const each of first) {
    const { id, entry } = each.passage
    const may = (beside?.get(id) ?? []).filter(
      // Only text with the same labels is joined.
      (passage) =>
        !shown.has(passage.id) &&
        passage.entry.labels.join() === entry.labels.join() &&
        passage.entry.kind === entry.kind &&
        passesFilter(passage.entry, filter),
    )
    const result = joinNeighbours(each, may, Math.max(0, left), count)
    for (const passage of result.chosen) shown.add(passage.id)
    left -= result.used
    joined.push({ ...each, text: result.text, joined: result.joined })
  }
  return [...joined, ...given.slice(joinedResults)]
}

function asRecalled({ candidate, text }: Fitted, now: number): Recalled {
  const { passage, textRank, textScore, vectorRank, vectorScore, closeness, exact, prior, standsFor, score, holds } = candidate
  const why = { textRank, textScore, vectorRank, vectorScore, closeness, exact, prior, standsFor }
  return {
    id: passage.entry.id,
    passage,
    text,
    match: '',
    joined: [],
    score,
    ageMs: Math.max(0, now - passage.entry.createdAt),
    holds,
    why,
  }
}
