/** Lines or bars over time, drawn by uPlot, which is loaded with the first chart. A table of the same numbers is there for screen readers. */
import { type ReactNode, useEffect, useRef } from 'react'
import type { AlignedData, default as UPlot, Options } from 'uplot'
import 'uplot/dist/uPlot.min.css'

interface Series {
  readonly title: string
  readonly values: readonly (number | null)[]
  /** A token, e.g. `--accent`. */
  readonly colour?: string
}

interface ChartProps {
  /** What it shows, for screen readers. */
  readonly label: string
  /** Unix milliseconds, ascending. */
  readonly times: readonly number[]
  readonly series: readonly Series[]
  readonly kind?: 'lines' | 'bars'
  readonly height?: number
  readonly format?: (value: number) => string
}

const colours = ['--accent', '--warn', '--good', '--bad']

export function Chart({ label, times, series, kind = 'lines', height = 180, format = String }: ChartProps): ReactNode {
  const frame = useRef<HTMLDivElement>(null)
  const input = useRef({ times, series, format })
  input.current = { times, series, format }
  const shape = JSON.stringify([times, series, kind, height])

  useEffect(() => {
    let plot: UPlot | null = null
    let isOver = false
    const resized = new ResizeObserver(([entry]) => plot?.setSize({ width: entry?.contentRect.width ?? 300, height }))
    const draw = async (): Promise<void> => {
      const { default: uPlot } = await import('uplot')
      const element = frame.current
      if (isOver || element === null) return
      plot?.destroy()
      plot = new uPlot(optionsOf(input.current, kind, height, element, uPlot), dataOf(input.current), element)
      resized.observe(element)
    }
    void draw()
    // Its colours are painted, so a change of the theme paints it again.
    const theme = new MutationObserver(() => void draw())
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      isOver = true
      theme.disconnect()
      resized.disconnect()
      plot?.destroy()
    }
  }, [shape, kind, height])

  return (
    <figure className="chart" aria-label={label}>
      <div ref={frame} aria-hidden="true" style={{ minHeight: height }} />
      {/* A table ignores a height below its content’s, so a block around it is hidden. */}
      <div className="visually-hidden">
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {series.map(({ title }) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {times.map((at, row) => (
              <tr key={at}>
                <th scope="row">{new Date(at).toLocaleString()}</th>
                {series.map(({ title, values }) => (
                  <td key={title}>{values[row] === null || values[row] === undefined ? '' : format(values[row])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  )
}

type Input = Required<Pick<ChartProps, 'times' | 'series' | 'format'>>

function dataOf({ times, series }: Input): AlignedData {
  return [times.map((at) => at / 1_000), ...series.map(({ values }) => [...values])]
}

function optionsOf({ series, format }: Input, kind: 'lines' | 'bars', height: number, element: HTMLElement, uPlot: typeof UPlot): Options {
  const colourOf = (token: string): string => paintedColour(token, element)
  const axis = {
    stroke: colourOf('--ink-soft'),
    grid: { stroke: colourOf('--line'), width: 1 },
    ticks: { show: false },
    font: '12px Inter Variable',
  }
  const bars = uPlot.paths.bars?.({ size: [0.7, 48], radius: 0.15 })
  const options: Options = {
    width: element.clientWidth || 300,
    height,
    legend: { show: series.length > 1 },
    cursor: { points: { size: 7 } },
    // Half a bar stands on each side of its time.
    ...(kind === 'bars' && { scales: { x: { range: (_, from, to) => [from - (to - from) / 48, to + (to - from) / 48] } } }),
    axes: [axis, { ...axis, size: labelWidth, values: (_, values) => values.map((value) => format(value)) }],
    series: [
      {},
      ...series.map(({ title, colour }, index) => {
        const stroke = colourOf(colour ?? colours[index % colours.length]!)
        const fill = stroke.replace(/^rgb\((.*)\)$/, kind === 'bars' ? 'rgba($1, 0.75)' : 'rgba($1, 0.1)')
        return {
          label: title,
          stroke,
          fill,
          width: 2,
          points: { show: false },
          value: (_: UPlot, value: number | null) => (value === null ? '–' : format(value)),
          ...(kind === 'bars' && bars !== undefined && { paths: bars }),
        }
      }),
    ],
  }
  return options
}

/** As wide as the longest label: digits of 12 px are 7 px wide. @param values null before there are any */
function labelWidth(_: UPlot, values: string[] | null): number {
  return Math.max(40, 18 + 7 * Math.max(0, ...(values ?? []).map(({ length }) => length)))
}

/**
 * The tokens are `light-dark(…)`: only as a property of an element do they become one colour. A new element for each, since a change of
 * colour may be a transition, which begins with the old one.
 */
function paintedColour(token: string, place: HTMLElement): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  place.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
