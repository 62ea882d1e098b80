import { createHashRouter, type RouteObject } from 'react-router'
import { Activity } from './screens/activity/activity'
import { CardPage } from './screens/catalog/card'
import { Catalog } from './screens/catalog/catalog'
import { Data } from './screens/data/data'
import { DatasetPage } from './screens/data/dataset'
import { Home } from './screens/home/home'
import { Models } from './screens/models/models'
import { VersionPage } from './screens/models/version'
import { Peers } from './screens/peers/peers'
import { ExperimentPage } from './screens/projects/experiment'
import { NewExperiment } from './screens/projects/new-experiment'
import { NewProject } from './screens/projects/new-project'
import { ProjectPage } from './screens/projects/project'
import { Projects } from './screens/projects/projects'
import { Rewards } from './screens/rewards/rewards'
import { Compare } from './screens/runs/compare'
import { RunPage } from './screens/runs/run'
import { Runs } from './screens/runs/runs'
import { ServingPage } from './screens/serving/model'
import { ServingList } from './screens/serving/serving'
import { Settings } from './screens/settings/settings'
import { Crash } from './shell/boundary'
import { Missing } from './shell/missing'
import { Shell } from './shell/shell'

export const routes: RouteObject[] = [
  {
    path: '/',
    element: <Shell />,
    errorElement: <Crash />,
    children: [
      { index: true, element: <Home /> },
      { path: 'peers', element: <Peers /> },
      { path: 'data', element: <Data /> },
      { path: 'data/:id', element: <DatasetPage /> },
      { path: 'catalog', element: <Catalog /> },
      { path: 'catalog/:id', element: <CardPage /> },
      { path: 'projects', element: <Projects /> },
      { path: 'projects/new', element: <NewProject /> },
      { path: 'projects/:id', element: <ProjectPage /> },
      { path: 'projects/:id/new-experiment', element: <NewExperiment /> },
      { path: 'experiments/:id', element: <ExperimentPage /> },
      { path: 'runs', element: <Runs /> },
      { path: 'runs/compare', element: <Compare /> },
      { path: 'runs/:id', element: <RunPage /> },
      { path: 'models', element: <Models /> },
      { path: 'models/:model', element: <Models /> },
      { path: 'models/:model/:number', element: <VersionPage /> },
      { path: 'serving', element: <ServingList /> },
      { path: 'serving/:model', element: <ServingPage /> },
      { path: 'rewards', element: <Rewards /> },
      { path: 'activity', element: <Activity /> },
      { path: 'settings', element: <Settings /> },
      { path: '*', element: <Missing /> },
    ],
  },
]

export const makeRouter = () => createHashRouter(routes)
