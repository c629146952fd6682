/** How much is kept, how far indexing has come, and what tidying did. */
import type { ReactNode } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { bytesText, Card, Facts } from '../../ui/layout.tsx'
import { Loading, NoticeBar, Problem, ProblemLine } from '../../ui/states.tsx'
import { kindTexts, type MemoryKind } from './memory-kinds.ts'
import { ownValue } from '../../../../src/base/index.ts'

export function MemoryStatistics(): ReactNode {
  const { data, failure, refresh } = useCall('memory.stats', {}, { refreshOn: ['memory_*', 'turn_ended'] })
  const tidy = useAction()
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading />
  const { byKind, models } = data
  const kinds = Object.entries(byKind).filter(([, count]) => count > 0)
  const most = Math.max(1, ...kinds.map(([, count]) => count))
  return (
    <>
      {data.problem !== null && <NoticeBar tone="warn">{data.problem}</NoticeBar>}
      <Card title="Kept">
        {kinds.length === 0 ? (
          <p className="field-hint">Nothing yet.</p>
        ) : (
          <ul className="memory-bars">
            {kinds.map(([kind, count]) => (
              <li key={kind}>
                <span>{ownValue(kindTexts, kind as MemoryKind)}</span>
                <meter min={0} max={most} value={count} aria-label={kind} />
                <span className="memory-count">{count.toLocaleString('en')}</span>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title="Search">
        <Facts
          facts={[
            ['Size', bytesText(data.bytes)],
            ['Passages', data.passages.toLocaleString('en')],
            ['Indexed', `up to record ${data.indexed.toLocaleString('en')} of ${data.journal.toLocaleString('en')}`],
            ['Without a vector', data.waiting === 0 ? 'none' : String(data.waiting)],
            ...models.map(({ model, state, vectors }) => [`Vectors (${state})`, `${vectors.toLocaleString('en')} by ${model}`] as const),
          ]}
        />
      </Card>
      <Card title="Tidying">
        <p className="field-hint">
          Merges what says the same, flags contradictions and drops what has faded. It runs by itself once a day; every change can be undone
          with <code>oxbow memory undo</code>.
        </p>
        <div>
          <Button isBusy={tidy.isBusy} onClick={() => void tidy.run('memory.tidy', {}).then(refresh)}>
            Tidy now
          </Button>
        </div>
        <ProblemLine failure={tidy.failure} />
      </Card>
    </>
  )
}
