/** What is wrong with the definition of a graph, and its nodes where nothing is. */
import type { ReactNode } from 'react'
import { useCall } from '../../data/calls.ts'
import { Loading, NoticeBar, Problem, WithCode } from '../../ui/states.tsx'

/** @param toml as it is, also before anybody has approved it */
export function GraphCheck({ toml }: { readonly toml: string }): ReactNode {
  const { data, failure, refresh } = useCall('graph.check', { toml })
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading label="Checking" />
  if (!data.ok)
    return (
      <NoticeBar tone="bad">
        <WithCode text={data.problems.map(({ at, message, hint }) => `${at === '' ? 'The file' : at}: ${message} ${hint}`).join(' ')} />
      </NoticeBar>
    )
  return (
    <section aria-label="Nodes">
      <h3>Nodes</h3>
      <ol className="parts">
        {data.nodes.map((node) => (
          <li key={node}>{node}</li>
        ))}
      </ol>
    </section>
  )
}
