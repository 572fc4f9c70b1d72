"""What becomes of finished mask rows: mask, polygons and areas, here or in a process of their own.

``consumers`` makes one result each and knows nothing of networks; ``threads`` runs them side by
side; ``process`` does so in another process, whose program is ``process_worker``; ``orders`` says
what a run wants made, and ``places`` where.
"""
