// The two parts of Argo CD that apply a repository: its own commands, chosen by the program's name,
// as in its cmd/main.go. The parts left out are the API with the web page, dex, notifications,
// ApplicationSets and the command line.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	appcontroller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/util/log"
)

func main() {
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
	name := os.Getenv("ARGOCD_BINARY_NAME")
	if name == "" {
		name = filepath.Base(os.Args[0])
	}
	commands := map[string]func() *cobra.Command{
		"argocd-application-controller": appcontroller.NewCommand,
		"argocd-repo-server":            reposerver.NewCommand,
	}
	newCommand, found := commands[name]
	if !found {
		os.Stderr.WriteString(name + ": this build has the application controller and the repo server\n")
		os.Exit(2)
	}
	if newCommand().Execute() != nil {
		os.Exit(1)
	}
}
