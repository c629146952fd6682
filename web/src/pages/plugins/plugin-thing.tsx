/** One installed plugin. */
import { Eraser, FlaskConical, PenLine, Power, RefreshCw, RotateCw } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { failureSentences, ownValue, toFailure } from '../../../../src/base/index.ts'
import { actionCallName } from '../../../../src/protocol/index.ts'
import { clearPlugin, grantPlugin, mayPart, plainText, removePlugin, signedText } from '../../../../src/terminal/index.ts'
import { navigate } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { useApplyConfig } from '../../data/settings.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import type { Entry } from '../../shelf/shelf.tsx'
import { ToldLabels } from '../../shelf/told-labels.tsx'
import { Parts, PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { bytesText, Facts, Time } from '../../ui/layout.tsx'
import { Loading, NoticeBar, ProblemLine } from '../../ui/states.tsx'
import { SignPlugin } from './author-dialogs.tsx'

export type Installed = OutputOf<'plugin.installed'>['plugins'][number]
type Info = OutputOf<'plugin.info'>
type Tests = OutputOf<'plugin.test'>['results']

interface PluginThingProps {
  readonly shown: Installed
  readonly state: Entry['state']
  readonly refresh: () => void
  /** @param source where the installed version is from */
  readonly onUpdate: (source: string) => void
}

export function PluginThing({ shown, state, refresh, onUpdate }: PluginThingProps): ReactNode {
  const { plugin, version, enabled, problem, source } = shown
  const isLoaded = enabled && problem === ''
  const info = useCall('plugin.info', { plugin }, { skip: !isLoaded })
  return (
    <Thing
      title={`${plugin} ${version}`}
      state={state}
      why={enabled ? problem : 'It is turned off: it is installed, and nothing of it runs.'}
      actions={
        <>
          <Switching shown={shown} refresh={refresh} />
          {isLoaded && <Reloading plugin={plugin} refresh={info.refresh} />}
          {!source.startsWith('npm:') && (
            <Button size="s" icon={<RotateCw />} onClick={() => onUpdate(source)}>
              Update…
            </Button>
          )}
          {source.startsWith('/') && <Signing folder={source} />}
          <DeedButton
            deed={clearPlugin(plugin)}
            verb="Empty"
            icon={<Eraser />}
            act={(run) => run('plugin.sync', { cleared: [plugin] })}
            onDone={() => {
              info.refresh()
              refresh()
            }}
          />
          <DeedButton
            deed={removePlugin(plugin, version)}
            verb="Remove"
            act={async (run) => {
              const removed = await run('plugin.change', { plugin, change: 'remove' })
              return removed && run('plugin.sync', { removed: [plugin] })
            }}
            onDone={() => {
              navigate('/plugins')
              refresh()
            }}
          />
        </>
      }
    >
      {enabled && <Granting shown={shown} refresh={refresh} />}
      <ToldLabels program={`plugin:${plugin}`} until="until you empty it" />
      <About shown={shown} />
      {isLoaded && <Running plugin={plugin} info={info.data} failure={info.failure} />}
      {isLoaded && <Testing plugin={plugin} />}
    </Thing>
  )
}

function Switching({ shown: { plugin, enabled }, refresh }: Pick<PluginThingProps, 'shown' | 'refresh'>): ReactNode {
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const turn = async (): Promise<void> => {
    if ((await run('plugin.change', { plugin, change: enabled ? 'disable' : 'enable' })) === undefined) return
    const synced = await run('plugin.sync', {})
    if (synced !== undefined) say(ownValue(synced.problems, plugin) ?? `${enabled ? 'Disabled' : 'Enabled'} ${plugin}.`)
    refresh()
  }
  return (
    <>
      <Button size="s" icon={<Power />} isBusy={isBusy} onClick={() => void turn()}>
        {enabled ? 'Turn off' : 'Turn on'}
      </Button>
      <ProblemLine failure={failure} />
    </>
  )
}

function Signing({ folder }: { readonly folder: string }): ReactNode {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button size="s" icon={<PenLine />} onClick={() => setOpen(true)}>
        Sign…
      </Button>
      <SignPlugin folder={folder} isOpen={isOpen} onClose={() => setOpen(false)} />
    </>
  )
}

function Reloading({ plugin, refresh }: { readonly plugin: string; readonly refresh: () => void }): ReactNode {
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const reload = async (): Promise<void> => {
    if ((await run('plugin.reload', { plugin })) === undefined) return
    say(`Reloaded ${plugin}.`)
    refresh()
  }
  return (
    <>
      <Button size="s" icon={<RefreshCw />} isBusy={isBusy} onClick={() => void reload()}>
        Reload
      </Button>
      <ProblemLine failure={failure} />
    </>
  )
}

/** A plugin that the agent may not use does nothing for it, which people do not expect of what they have installed. */
function Granting({ shown: { plugin, granted }, refresh }: Pick<PluginThingProps, 'shown' | 'refresh'>): ReactNode {
  const { run, failure } = useAction()
  const apply = useApplyConfig()
  const say = useSay()
  if (granted) return <p>Your agent may use it.</p>
  const grant = async (): Promise<void> => {
    if ((await run('plugin.change', { plugin, change: 'grant' })) === undefined || !(await apply.restart())) return
    say(`Your agent may use ${plugin}: added "plugin.${plugin}" to agent.rights.`)
    refresh()
  }
  return (
    <NoticeBar tone="warn">
      {grantPlugin} It has no right to it yet.{' '}
      <Button size="s" isBusy={apply.isBusy} onClick={() => void grant()}>
        Allow it and restart
      </Button>
      <ProblemLine failure={failure ?? apply.failure} />
    </NoticeBar>
  )
}

function About({ shown }: { readonly shown: Installed }): ReactNode {
  const { description, source, integrity, hash, signed_by: signer, approved_by: by, approved_at: at, needs, may } = shown
  return (
    <>
      <Facts
        facts={[
          ['What it is', description === '' ? '–' : description],
          ['From', <code key="source">{source}</code>],
          ...(integrity === '' ? [] : ([['npm integrity', <code key="integrity">{integrity}</code>]] as const)),
          ['Signature', signedText(signer)],
          ['Approved', <Approved key="approved" at={at} by={by} />],
          ...(needs.length === 0 ? [] : ([['Needs', needs.join(', ')]] as const)),
          ['Files', <code key="hash">{hash}</code>],
        ]}
      />
      <Parts parts={[mayPart(may)]} />
    </>
  )
}

function Approved({ at, by }: { readonly at: number; readonly by: string }): ReactNode {
  return (
    <>
      <Time at={at} /> by {by}
    </>
  )
}

interface RunningProps {
  readonly plugin: string
  readonly info: Info | undefined
  readonly failure: Parameters<typeof ProblemLine>[0]['failure']
}

function Running({ plugin, info, failure }: RunningProps): ReactNode {
  if (failure !== null) return <ProblemLine failure={failure} />
  if (info === undefined) return <Loading label="What it has" />
  const { state, data, exports, failure: start } = info
  const parts = exports === null ? [] : partsOf(plugin, exports)
  return (
    <>
      {start !== null && <NoticeBar tone="bad">It does not start: {failureSentences(toFailure(start, 'tool_failed', ''))}</NoticeBar>}
      {(state.withheld ?? []).length > 0 && <Parts parts={[['Left out, because you have not approved it:', state.withheld ?? []]]} />}
      <Parts parts={parts} />
      <Facts
        facts={[
          ['Host', `${state.phase}${state.crashes > 0 ? `, ${state.crashes} crashes in ten minutes` : ''}`],
          ['Keeps', `${bytesText(data.bytes)} of ${bytesText(data.max_bytes)} in /data`],
        ]}
      />
      {state.log !== '' && <PlainFile name="The end of its log" text={plainText(state.log.trimEnd())} />}
    </>
  )
}

function partsOf(plugin: string, exports: NonNullable<Info['exports']>): readonly (readonly [string, readonly string[]])[] {
  const { actions, providers, evaluators, services, models, routes, tasks, events, hooks } = exports
  const named = ({ name, description }: { readonly name: string; readonly description: string }): string =>
    `${name}  ${description}`.trimEnd()
  const all: readonly (readonly [string, readonly string[]])[] = [
    ['Actions', actions.map(({ name, description }) => `${actionCallName(plugin, name)}  ${description}`.trimEnd())],
    ['Providers', providers.map(named)],
    ['Evaluators', evaluators.map(named)],
    ['Services', services.map(({ type }) => type)],
    ['Models', models.map(({ type, provider }) => `${type} by ${provider}`)],
    ['Routes', routes.map(({ method, path, public: isPublic }) => `${method} ${path}${isPublic ? ', public' : ''}`)],
    ['Tasks', tasks.map(({ name, every_s: every, cron }) => `${name}, ${cron ?? `every ${every} s`}`)],
    ['Events', events],
    ['Hooks', hooks.map(({ step, fail }) => `${step}, fails ${fail}`)],
  ]
  return all.filter(([, list]) => list.length > 0)
}

function Testing({ plugin }: { readonly plugin: string }): ReactNode {
  const { run, isBusy, failure } = useAction()
  const [results, setResults] = useState<Tests | null>(null)
  const test = async (): Promise<void> => setResults((await run('plugin.test', { plugin }))?.results ?? null)
  return (
    <section aria-label="Tests">
      <Button size="s" icon={<FlaskConical />} isBusy={isBusy} onClick={() => void test()}>
        Run its tests
      </Button>
      <ProblemLine failure={failure} />
      <div role="status">
        {results !== null && results.length === 0 && <p>It has no tests.</p>}
        {results !== null && (
          <ul className="shelf-bullets">
            {results.map(({ suite, name, ok, problem }) => (
              <li key={`${suite} ${name}`}>
                {ok ? 'passed' : 'failed'} {suite} › {name} {!ok && <span className="field-problem">{problem}</span>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  )
}
