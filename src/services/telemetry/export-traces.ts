/** Traces of a journal, of any age: `oxbow audit export --otlp`. The ids are those that a collector was sent meanwhile. */
import type { Store } from '../../store/index.ts'
import type { JsonObject } from '../../base/index.ts'
import { spansAtOnce } from './limits.ts'
import { general, oxbow } from './names.ts'
import { traceRequest } from './otlp.ts'
import { viewOf } from './record-view.ts'
import { createTraceFold, type Span } from './trace-fold.ts'

export interface ExportOptions {
  /** Turns that have ended behind this record. */
  readonly after: number
  readonly content: boolean
  readonly version: string
}

const readPage = 500

/** @returns the requests of OTLP, as a collector's file receiver reads them: one a line */
export async function* exportTraces(store: Store, { after, content, version }: ExportOptions): AsyncGenerator<JsonObject> {
  const fold = createTraceFold({ content })
  const resource = { attributes: { [general.serviceName]: 'oxbow', [general.serviceVersion]: version, [oxbow.user]: store.user } }
  let spans: readonly Span[] = []
  // From the first record on: a turn may have begun long before it ended.
  for (let cursor = 0; ;) {
    const page = await store.records({ after: cursor, order: 'oldest_first', limit: readPage, hydrate: true })
    for (const record of page) {
      const ended = fold.take(viewOf(record))
      if (record.seq > after) spans = [...spans, ...ended]
      if (spans.length < spansAtOnce) continue
      yield traceRequest(resource, spans)
      spans = []
    }
    if (page.length === 0) break
    cursor = page.at(-1)!.seq
  }
  if (spans.length > 0) yield traceRequest(resource, spans)
}
