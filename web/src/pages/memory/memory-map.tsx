/** The map of memory: what means the same stands together. Every memory on it is also in the list, which the keyboard reaches. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type ReactNode, useState } from 'react'
import { useCall } from '../../data/calls.ts'
import { Card } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { kindTexts } from './memory-kinds.ts'

type MapPoint = OutputOf<'memory.map'>['points'][number]

const width = 1_000
const height = 520
const margin = 24
/** With more, names would cover each other. */
const maxNames = 24
const nameCharacters = 26

const placeOf = ({ x, y }: MapPoint): { cx: number; cy: number } => ({
  cx: margin + x * (width - 2 * margin),
  cy: margin + (1 - y) * (height - 2 * margin),
})

export function MemoryMap({ onOpen }: { readonly onOpen: (id: string) => void }): ReactNode {
  const { data, failure, refresh } = useCall('memory.map', { limit: 400 }, { refreshOn: ['memory_*'] })
  const [near, setNear] = useState<MapPoint | null>(null)
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading label="Drawing the map" />
  if (data.points.length === 0) return <Empty title="There is nothing to place yet.">Notes, facts and documents appear here.</Empty>
  const kinds = [...new Set(data.points.map(({ kind }) => kind))]
  const about =
    data.by === 'meaning'
      ? 'Memories with similar meaning stand near each other. The directions themselves mean nothing.'
      : `From left to right by time, in a row for each kind. A map by meaning needs ${
          data.points.length < 3 ? 'three memories' : 'an embedder that runs on this machine: `memory.embedder`'
        }.`
  return (
    <Card>
      <svg
        className="memory-map"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`A map of ${plural(data.points.length, 'memory', 'memories')}. The tab Memories lists all of them.`}
        onMouseLeave={() => setNear(null)}
      >
        {data.points.map((point) => (
          <circle
            key={point.id}
            {...placeOf(point)}
            r={near?.id === point.id ? 11 : 7}
            data-kind={point.kind}
            onMouseEnter={() => setNear(point)}
            onClick={() => onOpen(point.id)}
          />
        ))}
        {namesOf(data.points, near).map((point) => {
          const { cx, cy } = placeOf(point)
          const isRight = cx > width * 0.75
          return (
            <text
              key={point.id}
              x={isRight ? cx - 13 : cx + 13}
              y={cy + 4}
              textAnchor={isRight ? 'end' : 'start'}
              data-near={near?.id === point.id || undefined}
            >
              {point.text.length > nameCharacters ? `${point.text.slice(0, nameCharacters)}…` : point.text}
            </text>
          )
        })}
      </svg>
      <div className="memory-legend">
        {kinds.map((kind) => (
          <span key={kind}>
            <svg viewBox="0 0 10 10" className="memory-dot" aria-hidden="true">
              <circle cx="5" cy="5" r="5" data-kind={kind} />
            </svg>
            {kindTexts[kind]}
          </span>
        ))}
      </div>
      <p className="memory-near" role="status">
        {near === null ? about : near.text}
      </p>
    </Card>
  )
}

/** A name for what is pointed at, and for points that have room around them. */
function namesOf(points: readonly MapPoint[], near: MapPoint | null): readonly MapPoint[] {
  const named: MapPoint[] = near === null ? [] : [near]
  for (const point of points) {
    if (named.length >= maxNames) break
    const { cx, cy } = placeOf(point)
    const isFree = named.every((other) => {
      const at = placeOf(other)
      return Math.abs(at.cx - cx) > 250 || Math.abs(at.cy - cy) > 22
    })
    if (isFree && point !== near) named.push(point)
  }
  return named
}
