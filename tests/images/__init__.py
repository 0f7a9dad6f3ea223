"""The images that `tools/images` builds, run as a pod runs them.

Uid 10001, by Docker where its daemon answers, else by buildah. The serving image fetches, bakes
and serves a real model; the Filebeat image accepts the rendered configuration and has what the
drain script calls; neither lets that user write where it should not, nor carries anything of the
machine that built it. The first run builds them, which takes minutes. Without Docker and without
root these tests are skipped, and say so.
"""
